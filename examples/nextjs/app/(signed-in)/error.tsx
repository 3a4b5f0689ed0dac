'use client'

export default function ErrorPage({ reset }: { reset: () => void }) {
  return (
    <section className="card">
      <p role="alert" className="error">The API could not answer.</p>
      <button onClick={reset}>Try again</button>
    </section>
  )
}
