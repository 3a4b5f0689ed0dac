/** In the place of a page that is being read. */
export function Loading() {
  return (
    <section className="card" aria-busy="true" aria-label="Loading">
      <p className="visually-hidden" role="status">Loading…</p>
    </section>
  )
}
