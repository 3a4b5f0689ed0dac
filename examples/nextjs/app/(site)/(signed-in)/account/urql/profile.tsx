'use client'

import { useMutation, useQuery, useSubscription } from 'urql'
import { LiveBadge } from '@/components/live-badge'
import { Loading } from '@/components/loading'
import { Profile } from '@/components/profile'
import { Me, MeChanges, UpdateMe } from '@/lib/documents'

export function UrqlProfile() {
  const [{ data, error }] = useQuery({ query: Me })
  // What it brings goes into the cache, and so into every query that shows the user.
  useSubscription({ query: MeChanges })
  const [, update] = useMutation(UpdateMe)

  if (error) {
    return <p role="alert" className="error">{error.message}</p>
  }
  if (!data) {
    return <Loading />
  }
  if (!data.me) {
    return <p>You have no row in the table users.</p>
  }
  return (
    <Profile
      user={data.me}
      badge={<LiveBadge />}
      save={async input => {
        const { error } = await update({ input })
        return error?.graphQLErrors[0]?.message ?? error?.message
      }}
    />
  )
}
