import type { ReactNode } from 'react'
import { helpOf, type Problem } from '@/lib/problems'

/** Says what went wrong, and what helps. */
export function ProblemCard({ problem, children }: { problem: Problem; children?: ReactNode }) {
  return (
    <section className="card problem" aria-label="Problem">
      <div role="alert">
        <p className="error">{problem.message}</p>
        <p>{sentences(helpOf(problem))}</p>
      </div>
      <div className="row">
        {children}
        {problem.code && <p className="aside">Code <code>{problem.code}</code></p>}
      </div>
    </section>
  )
}

/** Shows what is between backquotes as code. */
function sentences(text = ''): ReactNode[] {
  return text.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))
}
