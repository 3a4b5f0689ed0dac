import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { Refused } from '@/components/session'
import { Me } from '@/lib/documents'
import { ask } from '@/lib/graphql'
import { requireToken } from '@/lib/supabase/server'
import { ServerProfile } from './profile'

export const metadata: Metadata = { title: 'Account' }

export default async function AccountPage() {
  await requireToken()
  const { data, problem } = await ask(Me, {})
  return (
    <>
      <Explanation title="Account" files={['lib/graphql.ts', 'account/actions.ts']}>
        The server has asked as you and put the answer into the page. A server action saves your changes. The token stays
        on the server.
      </Explanation>
      {problem ? <Refused problem={problem} /> : data.me ? <ServerProfile user={data.me} /> : <p>You have no row in the table users.</p>}
    </>
  )
}
