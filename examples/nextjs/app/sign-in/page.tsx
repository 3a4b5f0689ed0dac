import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { Logo } from '@/components/logo'
import { supabaseUrl } from '@/lib/settings'
import { accessToken } from '@/lib/supabase/server'
import { SignInForm } from './form'

export const metadata: Metadata = { title: 'Sign in' }

export default async function SignInPage({ searchParams }: PageProps<'/sign-in'>) {
  const params = await searchParams
  const next = localPage([params.next].flat()[0])
  if (await accessToken()) {
    redirect(next)
  }
  return (
    <main className="narrow">
      <Logo />
      {'ended' in params && (
        <p role="status" className="notice">You have been signed out.</p>
      )}
      <SignInForm signUp={'new' in params} next={next} />
      {['127.0.0.1', 'localhost'].includes(new URL(supabaseUrl).hostname) && (
        <p className="hint">
          In <code>usergraph dev</code>, Ada is <code>ada@example.com</code> with the password <code>usergraph-dev</code>.
        </p>
      )}
    </main>
  )
}

/** The page to go to afterwards. Whoever makes a link can write one here, so it is a page of this app or none. */
function localPage(page = '/account'): string {
  const here = 'http://localhost'
  const url = new URL(URL.canParse(page, here) ? page : '/account', here)
  return url.origin === here ? url.pathname + url.search : '/account'
}
