import type { Metadata } from 'next'
import { Suspense } from 'react'
import { ApolloProvider } from '@/components/apollo'
import { Explanation } from '@/components/explanation'
import { Loading } from '@/components/loading'
import { PreloadQuery } from '@/lib/apollo'
import { Me } from '@/lib/documents'
import { requireToken } from '@/lib/supabase/server'
import { ApolloProfile } from './profile'

export const metadata: Metadata = { title: 'Account, by Apollo Client' }

export default async function ApolloPage() {
  await requireToken()
  return (
    <>
      <Explanation title="Account, by Apollo Client" files={['lib/usergraph/connection.ts', 'lib/usergraph/apollo.ts']}>
        Asked on the server, then kept up to date by a subscription: change your name in another tab and watch it here.
        A change is shown before the API has confirmed it.
      </Explanation>
      <ApolloProvider>
        <PreloadQuery query={Me}>
          <Suspense fallback={<Loading />}>
            <ApolloProfile />
          </Suspense>
        </PreloadQuery>
      </ApolloProvider>
    </>
  )
}
