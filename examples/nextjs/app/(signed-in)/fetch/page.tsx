import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { FetchProfile } from './profile'

export const metadata: Metadata = { title: 'fetch' }

export default function FetchPage() {
  return (
    <>
      <Explanation title="Plain fetch" files={['app/(signed-in)/fetch/profile.tsx']}>
        No GraphQL client at all: the browser takes the token of the Supabase session and posts a query with it.
      </Explanation>
      <FetchProfile />
    </>
  )
}
