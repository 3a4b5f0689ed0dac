'use client'

import { useOptimistic } from 'react'
import { Profile, type User } from '@/components/profile'
import { saveName } from './actions'

export function ServerProfile({ user }: { user: User }) {
  const [shown, show] = useOptimistic(user, (user, fullName: string | null) => ({ ...user, fullName }))
  return (
    <Profile
      user={shown}
      save={fullName => {
        show(fullName)
        return saveName(fullName)
      }}
    />
  )
}
