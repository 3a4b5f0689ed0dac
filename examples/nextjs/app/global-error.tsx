'use client'

import { ProblemCard } from '@/components/problem'
import { problemOf } from '@/lib/problems'
import './globals.css'

/** In the place of the root layout, for whatever no other page of errors has caught. */
export default function GlobalError({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <html lang="en">
      <body>
        <title>Something went wrong · usergraph example</title>
        <main className="narrow">
          <h1>Something went wrong</h1>
          <ProblemCard problem={problemOf(error)}>
            <button onClick={retry}>Try again</button>
          </ProblemCard>
        </main>
      </body>
    </html>
  )
}
