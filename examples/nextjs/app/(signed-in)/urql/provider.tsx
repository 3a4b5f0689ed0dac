'use client'

import { cacheExchange } from '@urql/exchange-graphcache'
import { useState, type ReactNode } from 'react'
import { Provider, ssrExchange, type SSRData } from 'urql'
import { browserConnection } from '@/lib/browser'
import { Me } from '@/lib/documents'
import type { UpdateMeInput } from '@/lib/gql/graphql'
import { usergraphClient } from '@/lib/usergraph/urql'

function makeClient(initialState?: SSRData) {
  return usergraphClient(browserConnection(), [
    // One user in the cache, whichever of query, mutation and subscription brought them.
    cacheExchange({
      optimistic: {
        updateMe(args, cache) {
          const me = cache.readQuery({ query: Me })?.me
          return me ? { ...me, ...(args.input as UpdateMeInput) } : null
        },
      },
    }),
    ssrExchange({ initialState }),
  ])
}

/** Begins with the answers that the server already has. */
export function UrqlProvider({ answers, children }: { answers?: SSRData; children: ReactNode }) {
  const [client] = useState(() => makeClient(answers))
  return <Provider value={client}>{children}</Provider>
}
