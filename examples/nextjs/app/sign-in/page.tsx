import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { Logo } from '@/components/logo'
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
    </main>
  )
}
