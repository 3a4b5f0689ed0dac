import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { Logo } from '@/components/logo'
import { supabaseUrl } from '@/lib/settings'
import { accessToken } from '@/lib/supabase/server'
import { SignInForm } from './form'

export const metadata: Metadata = { title: 'Sign in' }

export default async function SignInPage({ searchParams }: PageProps<'/sign-in'>) {
  if (await accessToken()) {
    redirect('/account')
  }
  return (
    <main className="sign-in">
      <Logo />
      {'ended' in (await searchParams) && (
        <p role="status" className="notice">You have been signed out.</p>
      )}
      <SignInForm />
      {['127.0.0.1', 'localhost'].includes(new URL(supabaseUrl).hostname) && (
        <p className="hint">
          In <code>usergraph dev</code>, Ada is <code>ada@example.com</code> with the password <code>usergraph-dev</code>.
        </p>
      )}
    </main>
  )
}
