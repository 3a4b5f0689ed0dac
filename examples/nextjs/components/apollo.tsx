'use client'

import { disableFragmentWarnings } from '@apollo/client'
import { relayStylePagination } from '@apollo/client/utilities'
import { ApolloClient, ApolloNextAppProvider, InMemoryCache } from '@apollo/client-integration-nextjs'
import type { ReactNode } from 'react'
import { browserConnection } from '@/lib/browser'
import { usergraphLink } from '@/lib/usergraph/apollo'

// What the server has asked is parsed anew for each page, so its fragments come again and again.
disableFragmentWarnings()

function makeClient() {
  return new ApolloClient({
    // One list for each filter, to which further pages are added.
    cache: new InMemoryCache({ typePolicies: { Query: { fields: { todos: relayStylePagination(['filter']) } } } }),
    link: usergraphLink(browserConnection()),
  })
}

export function ApolloProvider({ children }: { children: ReactNode }) {
  return <ApolloNextAppProvider makeClient={makeClient}>{children}</ApolloNextAppProvider>
}
