import Link from 'next/link'
import type { ReactNode } from 'react'
import { Logo } from '@/components/logo'
import { Main } from '@/components/main'
import { Navigation } from '@/components/navigation'
import { SessionWatch } from '@/components/session'
import { SignOut } from '@/components/sign-out'
import { accessToken } from '@/lib/supabase/server'

export default async function SiteLayout({ children }: { children: ReactNode }) {
  const signedIn = Boolean(await accessToken())
  return (
    <>
      {signedIn && <SessionWatch />}
      <a className="skip" href="#content">Skip to the content</a>
      <header>
        <Logo />
        <Navigation />
        {signedIn ? <SignOut /> : <Link className="button" href="/sign-in">Sign in</Link>}
      </header>
      <Main>{children}</Main>
    </>
  )
}
