'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'

const pages = [
  { href: '/account', title: 'Server' },
  { href: '/apollo', title: 'Apollo' },
  { href: '/urql', title: 'urql' },
  { href: '/fetch', title: 'fetch' },
] as const

/** The same account, asked for in four ways. */
export function Navigation() {
  const path = usePathname()
  return (
    <nav aria-label="Ways to ask">
      {pages.map(({ href, title }) => (
        <Link key={href} href={href} aria-current={path === href ? 'page' : undefined}>
          {title}
        </Link>
      ))}
    </nav>
  )
}
