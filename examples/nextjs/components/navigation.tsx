'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { assistantUrl } from '@/lib/settings'

const pages = [
  { href: '/account', title: 'Account' },
  { href: '/todos', title: 'Todos' },
  { href: '/pricing', title: 'Pricing' },
  { href: '/agents', title: 'Agents' },
] as const

export function Navigation() {
  const path = usePathname()
  return (
    <nav aria-label="Pages">
      {pages.map(({ href, title }) => (
        <Link key={href} href={href} aria-current={path === href ? 'page' : path.startsWith(`${href}/`) || undefined}>
          {title}
        </Link>
      ))}
      {assistantUrl && <a href={assistantUrl}>Assistant</a>}
    </nav>
  )
}

/** The same page, asked for in several ways. */
export function Ways({ ways }: { ways: readonly { href: string; title: string }[] }) {
  const path = usePathname()
  return (
    <nav aria-label="Ways to ask" className="ways">
      {ways.map(({ href, title }) => (
        <Link key={href} href={href} aria-current={path === href ? 'page' : undefined}>{title}</Link>
      ))}
    </nav>
  )
}
