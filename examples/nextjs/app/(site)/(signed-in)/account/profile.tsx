'use client'

import { startTransition, useOptimistic } from 'react'
import { Profile, type User } from '@/components/profile'
import type { UpdateMeInput } from '@/lib/gql/graphql'
import { saveUser } from './actions'

export function ServerProfile({ user }: { user: User }) {
  const [shown, show] = useOptimistic(user, (user, input: UpdateMeInput): User => ({ ...user, ...input }))
  return (
    <Profile
      user={shown}
      save={input =>
        new Promise(resolve =>
          startTransition(async () => {
            show(input)
            resolve(await saveUser(input))
          }),
        )
      }
    />
  )
}
