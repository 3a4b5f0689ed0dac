'use client'

import { ApolloClient, ApolloNextAppProvider, InMemoryCache } from '@apollo/client-integration-nextjs'
import type { ReactNode } from 'react'
import { browserConnection } from '@/lib/browser'
import { usergraphLink } from '@/lib/usergraph/apollo'

function makeClient() {
  return new ApolloClient({ cache: new InMemoryCache(), link: usergraphLink(browserConnection()) })
}

export function ApolloProvider({ children }: { children: ReactNode }) {
  return <ApolloNextAppProvider makeClient={makeClient}>{children}</ApolloNextAppProvider>
}
