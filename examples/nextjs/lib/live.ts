'use client'

import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { useEffect, useState } from 'react'
import { browserConnection } from './browser'

/** What a subscription without variables has brought last, without a GraphQL client; before that, what the server has read. */
export function useLive<Data>(document: TypedDocumentNode<Data, Record<string, never>>, initial: Data): Data {
  const [data, setData] = useState(initial)
  useEffect(
    () =>
      browserConnection().socket.subscribe<Data>(
        { query: print(document) },
        {
          next: answer => answer.data && setData(answer.data),
          // The last answer stays. The badge tells that nothing arrives.
          error: error => console.warn(error),
          complete() {},
        },
      ),
    [document],
  )
  return data
}
