import type { Metadata } from 'next'
import Link from 'next/link'
import { Logo } from '@/components/logo'

export const metadata: Metadata = { title: 'Not found' }

export default function NotFound() {
  return (
    <main className="narrow">
      <Logo />
      <div className="card">
        <h1>There is no such page</h1>
        <p className="aside">The address may be mistyped, or the page has moved.</p>
        <p className="aside"><Link href="/account">Go to your account</Link></p>
      </div>
    </main>
  )
}
