import type { ReactNode } from 'react'
import { ApolloProvider } from './provider'

export default function ApolloLayout({ children }: { children: ReactNode }) {
  return <ApolloProvider>{children}</ApolloProvider>
}
