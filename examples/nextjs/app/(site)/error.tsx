'use client'

import { ProblemCard } from '@/components/problem'
import { problemOf } from '@/lib/problems'

export default function ErrorPage({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <>
      <h1>This page could not be shown</h1>
      <ProblemCard problem={problemOf(error)}>
        <button onClick={retry}>Try again</button>
      </ProblemCard>
    </>
  )
}
