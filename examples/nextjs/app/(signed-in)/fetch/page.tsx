import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { requireToken } from '@/lib/supabase/server'
import { FetchProfile } from './profile'

export const metadata: Metadata = { title: 'fetch' }

export default async function FetchPage() {
  await requireToken()
  return (
    <>
      <Explanation title="Plain fetch" files={['app/(signed-in)/fetch/profile.tsx']}>
        No GraphQL client at all: the browser takes the token of the Supabase session and posts a query with it.
      </Explanation>
      <FetchProfile />
    </>
  )
}
