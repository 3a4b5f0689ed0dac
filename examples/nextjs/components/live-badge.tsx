'use client'

import { useSyncExternalStore } from 'react'
import { browserConnection } from '@/lib/browser'

let connected = false

function watch(changed: () => void): () => void {
  const { socket } = browserConnection()
  const set = (value: boolean) => () => {
    connected = value
    changed()
  }
  const stop = [socket.on('connected', set(true)), socket.on('closed', set(false))]
  return () => stop.forEach(stop => stop())
}

/** Tells whether changes made elsewhere arrive. */
export function LiveBadge() {
  const live = useSyncExternalStore(watch, () => connected, () => false)
  return (
    <p role="status" className="badge" data-live={live}>
      {live ? 'Live' : 'Connecting…'}
    </p>
  )
}
