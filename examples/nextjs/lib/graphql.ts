import 'server-only'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { graphqlUrl } from './settings'
import { accessToken } from './supabase/server'

/** What the API answered: data, or the code of an error (docs/errors.md) with its message. */
export type Answer<Data> = { data: Data; error?: undefined } | { data?: undefined; error: { code: string; message: string } }

/** Asks the API as the user who is signed in, from a server component or a server action. */
export async function ask<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  const token = await accessToken()
  if (!token) {
    return { error: { code: 'UNAUTHENTICATED', message: 'Sign in first.' } }
  }
  try {
    const answer = await fetch(graphqlUrl, {
      method: 'POST',
      headers: {
        Accept: 'application/graphql-response+json',
        'Content-Type': 'application/json',
        Authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({ query: print(document), variables }),
      cache: 'no-store',
    })
    const { data, errors } = await answer.json()
    return errors ? { error: { code: errors[0].extensions.code, message: errors[0].message } } : { data }
  } catch {
    return { error: { code: 'UNAVAILABLE', message: `The API does not answer at ${graphqlUrl}.` } }
  }
}
