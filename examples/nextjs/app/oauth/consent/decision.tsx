'use client'

import { useState } from 'react'
import { supabase } from '@/lib/supabase/browser'

/** Approves or refuses, and leads back to the agent. */
export function Decision({ id }: { id: string }) {
  const [problem, setProblem] = useState<string>()
  const [decided, setDecided] = useState(false)

  async function decide(decision: 'approveAuthorization' | 'denyAuthorization') {
    setDecided(true)
    // supabase-js goes to the agent's address itself.
    const { error } = await supabase.auth.oauth[decision](id)
    if (error) {
      setProblem(error.message)
      setDecided(false)
    }
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
