import 'server-only'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { problemOf, type Problem } from './problems'
import { graphqlUrl } from './settings'
import { accessToken } from './supabase/server'

/** What the API answered: data, or a problem. */
export type Answer<Data> = { data: Data; problem?: undefined } | { data?: undefined; problem: Problem }

/** Asks the API from a server component or a server action: as the user who is signed in, or as nobody. */
export async function ask<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  const token = await accessToken()
  try {
    const answer = await fetch(graphqlUrl, {
      method: 'POST',
      headers: {
        Accept: 'application/graphql-response+json',
        'Content-Type': 'application/json',
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query: print(document), variables }),
      cache: 'no-store',
    })
    const { data, errors } = await answer.json()
    return errors ? { problem: problemOf({ errors }) } : { data }
  } catch {
    return { problem: { code: 'UNAVAILABLE', message: `The API does not answer at ${graphqlUrl}.` } }
  }
}
