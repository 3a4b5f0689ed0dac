'use client'

import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useActionState, useEffect } from 'react'
import { supabase } from '@/lib/supabase/browser'

/** What to tell after an attempt that has not led to a session. */
type Outcome = { error?: string; notice?: string; email?: string }

export function SignInForm({ signUp, next }: { signUp: boolean; next: string }) {
  const router = useRouter()

  // Also when somebody comes back by the link of a mail, or signs in in another tab.
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange(event => {
      if (event === 'SIGNED_IN') {
        // The server has rendered these pages for somebody who was not signed in.
        router.replace(next)
        router.refresh()
      }
    })
    return () => data.subscription.unsubscribe()
  }, [router, next])

  async function attempt(_: Outcome, form: FormData): Promise<Outcome> {
    const { data, error } = await authenticate(form)
    if (error) {
      return { error: error.message, email: String(form.get('email') ?? '') }
    }
    return data.session ? {} : { notice: 'Almost there: follow the link that we have sent you.' }
  }
  const [outcome, action, pending] = useActionState(attempt, {})

  return (
    <div className="card">
      <h1>{signUp ? 'Create an account' : 'Sign in'}</h1>
      <form action={action} className="fields">
        <input type="hidden" name="mode" value={signUp ? 'sign-up' : 'sign-in'} />
        {signUp && (
          <label>
            Name
            <input name="fullName" autoComplete="name" maxLength={200} />
          </label>
        )}
        <label>
          Email
          <input name="email" type="email" autoComplete="email" defaultValue={outcome.email} required />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={signUp ? 'new-password' : 'current-password'}
            minLength={signUp ? 6 : undefined}
            required
          />
        </label>
        {outcome.error && <p role="alert" className="error">{outcome.error}</p>}
        {outcome.notice && <p role="status" className="notice">{outcome.notice}</p>}
        <button className="primary" disabled={pending}>
          {signUp ? 'Create account' : 'Sign in'}
        </button>
      </form>
      <form action={action}>
        <input type="hidden" name="mode" value="anonymous" />
        <button disabled={pending}>Continue without an account</button>
      </form>
      <p className="aside">
        {signUp ? 'Have an account?' : 'New here?'}{' '}
        <Link href={{ pathname: '/sign-in', query: { ...(!signUp && { new: '' }), next } }}>{signUp ? 'Sign in' : 'Create an account'}</Link>
      </p>
    </div>
  )
}

function authenticate(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? '')
  const credentials = { email: text('email'), password: text('password') }
  switch (form.get('mode')) {
    case 'anonymous':
      return supabase.auth.signInAnonymously()
    case 'sign-up':
      return supabase.auth.signUp({
        ...credentials,
        options: {
          data: { full_name: text('fullName') || undefined },
          emailRedirectTo: `${location.origin}/sign-in`,
        },
      })
    default:
      return supabase.auth.signInWithPassword(credentials)
  }
}
