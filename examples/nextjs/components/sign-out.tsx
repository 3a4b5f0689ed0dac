'use client'

import { supabase } from '@/lib/supabase/browser'

// Forms, because React keeps what is submitted before it has taken over the page, but not what is clicked. SessionWatch
// sees the end of the session and does the rest.

export function SignOut() {
  return (
    <form action={() => signOut('local')}>
      <button>Sign out</button>
    </form>
  )
}

export function SignOutEverywhere() {
  return (
    <form action={() => signOut('global')}>
      <button>Sign out on all devices</button>
    </form>
  )
}

async function signOut(scope: 'local' | 'global') {
  await supabase.auth.signOut({ scope })
}
