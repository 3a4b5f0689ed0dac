'use client'

import { useMutation, useSubscription, useSuspenseQuery } from '@apollo/client/react'
import { LiveBadge } from '@/components/live-badge'
import { Profile } from '@/components/profile'
import { Me, MeChanges, UpdateMe } from '@/lib/documents'

export function ApolloProfile() {
  const { data: { me } } = useSuspenseQuery(Me)
  // What it brings goes into the cache, and so into every query that shows the user.
  useSubscription(MeChanges)
  const [update] = useMutation(UpdateMe)

  if (!me) {
    return <p>You have no row in the table users.</p>
  }
  return (
    <Profile
      user={me}
      badge={<LiveBadge />}
      save={async input => {
        const { error } = await update({
          variables: { input },
          optimisticResponse: { __typename: 'Mutation', updateMe: { ...me, ...input } as typeof me },
          errorPolicy: 'all',
        })
        return error?.message
      }}
    />
  )
}
