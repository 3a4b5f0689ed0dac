'use client'

import { useState } from 'react'
import { supabase } from '@/lib/supabase/browser'
import { withIssuer } from '@/lib/supabase/issuer'

/** Approves or refuses, and leads back to the agent. */
export function Decision({ id, issuer }: { id: string, issuer?: string }) {
  const [problem, setProblem] = useState<string>()
  const [decided, setDecided] = useState(false)

  async function decide(decision: 'approveAuthorization' | 'denyAuthorization') {
    setDecided(true)
    const { data, error } = await supabase.auth.oauth[decision](id, { skipBrowserRedirect: true })
    if (error) {
      setProblem(error.message)
      setDecided(false)
      return
    }
    location.assign(withIssuer(data.redirect_url, issuer))
  }

  // Forms, because React keeps what is submitted before it has taken over the page.
  return (
    <>
      {problem && <p role="alert" className="error">{problem}</p>}
      <div className="row">
        <form action={() => void decide('approveAuthorization')}>
          <button className="primary" disabled={decided}>Approve</button>
        </form>
        <form action={() => void decide('denyAuthorization')}>
          <button disabled={decided}>Refuse</button>
        </form>
      </div>
    </>
  )
}
