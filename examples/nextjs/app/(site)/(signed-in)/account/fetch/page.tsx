import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { requireToken } from '@/lib/supabase/server'
import { FetchProfile } from './profile'

export const metadata: Metadata = { title: 'Account, by fetch' }

export default async function FetchPage() {
  await requireToken()
  return (
    <>
      <Explanation title="Account, by fetch" files={['account/fetch/profile.tsx']}>
        No GraphQL client at all: the browser takes the token of the Supabase session and posts a query with it.
      </Explanation>
      <FetchProfile />
    </>
  )
}
