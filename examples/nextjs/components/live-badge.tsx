'use client'

import { useSyncExternalStore } from 'react'
import { isLive, watchLive } from '@/lib/browser'

/** Tells whether changes made elsewhere arrive. */
export function LiveBadge() {
  const live = useSyncExternalStore(watchLive, isLive, () => false)
  return (
    <p role="status" className="badge" data-live={live}>
      {live ? 'Live' : 'Connecting…'}
    </p>
  )
}
