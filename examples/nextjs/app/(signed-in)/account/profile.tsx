'use client'

import { startTransition, useOptimistic } from 'react'
import { Profile, type User } from '@/components/profile'
import { saveName } from './actions'

export function ServerProfile({ user }: { user: User }) {
  const [shown, show] = useOptimistic(user, (user, fullName: string | null) => ({ ...user, fullName }))
  return (
    <Profile
      user={shown}
      save={fullName =>
        new Promise(resolve =>
          startTransition(async () => {
            show(fullName)
            resolve(await saveName(fullName))
          }),
        )
      }
    />
  )
}
