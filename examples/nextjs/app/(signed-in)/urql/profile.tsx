'use client'

import { useOptimistic } from 'react'
import { useMutation, useQuery, useSubscription } from 'urql'
import { LiveBadge } from '@/components/live-badge'
import { Profile, type User } from '@/components/profile'
import { Me, MeChanges, UpdateMe } from '@/lib/documents'

export function UrqlProfile() {
  const [{ data, error }] = useQuery({ query: Me })
  const [changes] = useSubscription({ query: MeChanges })
  const [, update] = useMutation(UpdateMe)
  const me = changes.data?.me ?? data?.me
  const [shown, show] = useOptimistic<User | null | undefined, string | null>(me, (me, fullName) => me && { ...me, fullName })

  if (error) {
    return <p role="alert" className="error">{error.graphQLErrors[0]?.message ?? 'The API cannot be reached.'}</p>
  }
  if (!data) {
    return <section className="card" aria-busy="true" />
  }
  if (!shown) {
    return <p>You have no row in the table users.</p>
  }
  return (
    <Profile
      user={shown}
      badge={<LiveBadge />}
      save={async fullName => {
        show(fullName)
        const { error } = await update({ input: { fullName } })
        return error && (error.graphQLErrors[0]?.message ?? 'The API cannot be reached.')
      }}
    />
  )
}
