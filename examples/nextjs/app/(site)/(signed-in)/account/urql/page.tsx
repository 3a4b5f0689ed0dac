import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { UrqlProvider } from '@/components/urql'
import { Me } from '@/lib/documents'
import { requireToken } from '@/lib/supabase/server'
import { urqlAnswers } from '@/lib/urql'
import { UrqlProfile } from './profile'

export const metadata: Metadata = { title: 'Account, by urql' }

export default async function UrqlPage() {
  await requireToken()
  return (
    <>
      <Explanation title="Account, by urql" files={['lib/usergraph/connection.ts', 'lib/usergraph/urql.ts']}>
        Asked on the server, then kept up to date by a subscription: change your name in another tab and watch it here.
        A change is shown before the API has confirmed it.
      </Explanation>
      <UrqlProvider answers={await urqlAnswers(Me, {})}>
        <UrqlProfile />
      </UrqlProvider>
    </>
  )
}
