'use client'

import { supabase } from '@/lib/supabase/browser'

/** SessionWatch sees the end of the session and does the rest. */
export function SignOut() {
  return <button onClick={() => supabase.auth.signOut({ scope: 'local' })}>Sign out</button>
}

export function SignOutEverywhere() {
  return <button onClick={() => supabase.auth.signOut({ scope: 'global' })}>Sign out on all devices</button>
}
