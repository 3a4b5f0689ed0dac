'use client'

import { supabase } from '@/lib/supabase/browser'

/** SessionWatch sees the end of the session and does the rest. */
export function SignOut() {
  return (
    <div className="sign-out">
      <button onClick={() => supabase.auth.signOut({ scope: 'local' })}>Sign out</button>
      <button onClick={() => supabase.auth.signOut({ scope: 'global' })} title="On all devices">
        Everywhere
      </button>
    </div>
  )
}
