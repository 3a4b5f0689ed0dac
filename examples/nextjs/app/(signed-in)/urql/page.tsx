import type { Metadata } from 'next'
import { cacheExchange, Client, fetchExchange, ssrExchange } from 'urql'
import { Explanation } from '@/components/explanation'
import { Me } from '@/lib/documents'
import { graphqlUrl } from '@/lib/settings'
import { requireToken } from '@/lib/supabase/server'
import { UrqlProfile } from './profile'
import { UrqlProvider } from './provider'

export const metadata: Metadata = { title: 'urql' }

export default async function UrqlPage() {
  const token = await requireToken()
  const answers = ssrExchange({ isClient: false })
  const client = new Client({
    url: graphqlUrl,
    fetchOptions: { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' },
    preferGetMethod: false,
    exchanges: [cacheExchange, answers, fetchExchange],
  })
  const { error } = await client.query(Me, {})
  return (
    <>
      <Explanation title="urql" files={['lib/usergraph/connection.ts', 'lib/usergraph/urql.ts']}>
        Asked on the server, then kept up to date by a subscription: change your name in another tab and watch it here.
        A change is shown before the API has confirmed it.
      </Explanation>
      {/* What failed here is asked for again in the browser, which can refresh the session. */}
      <UrqlProvider answers={error ? undefined : answers.extractData()}>
        <UrqlProfile />
      </UrqlProvider>
    </>
  )
}
