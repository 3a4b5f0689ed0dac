import type { ReactNode } from 'react'
import { Ways } from '@/components/navigation'
import { SignOutEverywhere } from '@/components/sign-out'

const ways = [
  { href: '/account', title: 'Server' },
  { href: '/account/apollo', title: 'Apollo' },
  { href: '/account/urql', title: 'urql' },
  { href: '/account/fetch', title: 'fetch' },
]

export default function AccountLayout({ children }: { children: ReactNode }) {
  return (
    <>
      <Ways ways={ways} />
      {children}
      <footer>
        <SignOutEverywhere />
      </footer>
    </>
  )
}
