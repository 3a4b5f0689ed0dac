import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { Refused } from '@/components/session'
import { Me } from '@/lib/documents'
import { ask } from '@/lib/graphql'
import { requireToken } from '@/lib/supabase/server'
import { ServerProfile } from './profile'

export const metadata: Metadata = { title: 'Server component' }

export default async function AccountPage() {
  await requireToken()
  const { data, error } = await ask(Me, {})
  return (
    <>
      <Explanation title="Server component" files={['lib/graphql.ts', 'app/(signed-in)/account/actions.ts']}>
        The server has asked as you and put the answer into the page. A server action saves the name. The token stays on
        the server.
      </Explanation>
      {error ? <Refused {...error} /> : data.me ? <ServerProfile user={data.me} /> : <p>You have no row in the table users.</p>}
    </>
  )
}
