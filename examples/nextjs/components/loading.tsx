'use client'

import { usePathname } from 'next/navigation'

/** The headings of pages that are read before they are shown. */
const headings: Record<string, string> = {
  '/account': 'Account',
  '/account/apollo': 'Account, by Apollo Client',
  '/account/urql': 'Account, by urql',
  '/account/fetch': 'Account, by fetch',
  '/todos': 'Todos',
  '/todos/urql': 'Todos, by urql',
  '/pricing': 'Pricing',
  '/agents': 'Agents',
}

/** In the place of a page that is being read, with the heading that it will have. */
export function LoadingPage() {
  const path = usePathname()
  return (
    <>
      <div className="explanation">
        <h1>{headings[path]}</h1>
      </div>
      <Loading />
    </>
  )
}

/** In the place of a part of a page. */
export function Loading() {
  return (
    <section className="card" aria-busy="true" aria-label="Loading">
      <p className="visually-hidden" role="status">Loading…</p>
    </section>
  )
}
