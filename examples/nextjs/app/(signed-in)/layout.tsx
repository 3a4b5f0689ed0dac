import type { ReactNode } from 'react'
import { Logo } from '@/components/logo'
import { Navigation } from '@/components/navigation'
import { SessionWatch } from '@/components/session'
import { SignOut, SignOutEverywhere } from '@/components/sign-out'

export default function SignedInLayout({ children }: { children: ReactNode }) {
  return (
    <>
      <SessionWatch />
      <header>
        <Logo />
        <Navigation />
        <SignOut />
      </header>
      <main>{children}</main>
      <footer>
        <SignOutEverywhere />
      </footer>
    </>
  )
}
