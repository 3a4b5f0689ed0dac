import type { Metadata } from 'next'
import { Suspense } from 'react'
import { Explanation } from '@/components/explanation'
import { Me } from '@/lib/documents'
import { requireToken } from '@/lib/supabase/server'
import { ApolloProfile } from './profile'
import { PreloadQuery } from './server'

export const metadata: Metadata = { title: 'Apollo Client' }

export default async function ApolloPage() {
  await requireToken()
  return (
    <>
      <Explanation title="Apollo Client" files={['lib/usergraph/connection.ts', 'lib/usergraph/apollo.ts']}>
        Asked on the server, then kept up to date by a subscription: change your name in another tab and watch it here.
        A change is shown before the API has confirmed it.
      </Explanation>
      <PreloadQuery query={Me}>
        <Suspense fallback={<section className="card" aria-busy="true" />}>
          <ApolloProfile />
        </Suspense>
      </PreloadQuery>
    </>
  )
}
