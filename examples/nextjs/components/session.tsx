'use client'

import { useRouter } from 'next/navigation'
import { useEffect } from 'react'
import type { Problem } from '@/lib/problems'
import { supabase } from '@/lib/supabase/browser'
import { ProblemCard } from './problem'

/** Leaves for the sign-in page when the session ends, here, in another tab, or because the API says so. */
export function SessionWatch() {
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange(event => {
      if (event === 'SIGNED_OUT') {
        leave()
      }
    })
    return () => data.subscription.unsubscribe()
  }, [])
  return null
}

/** Loads the page anew, so that nothing of the user stays in memory. */
function leave() {
  location.replace('/sign-in?ended')
}

/** Shown by a server component that the API has refused. Only the browser may refresh a session or end it. */
export function Refused({ problem }: { problem: Problem }) {
  const router = useRouter()
  const { code } = problem
  useEffect(() => {
    switch (code) {
      case 'TOKEN_EXPIRED':
        supabase.auth.refreshSession().then(({ error }) => !error && router.refresh())
        break
      case 'TOKEN_INVALID':
      case 'SESSION_REVOKED':
        supabase.auth.signOut({ scope: 'local' })
    }
  }, [code, router])
  return (
    <ProblemCard problem={problem}>
      <button onClick={() => router.refresh()}>Try again</button>
    </ProblemCard>
  )
}
