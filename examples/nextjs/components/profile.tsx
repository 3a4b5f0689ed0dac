'use client'

import { useActionState, type ReactNode } from 'react'

export type User = { fullName: string | null; email: string | null }

/** Changes the name, and returns what went wrong, if something did. */
export type Save = (fullName: string | null) => Promise<string | undefined>

/** Shows who is signed in, with a form that changes the name. */
export function Profile({ user, badge, save }: { user: User; badge?: ReactNode; save: Save }) {
  return (
    <section className="card" aria-label="Profile">
      <div className="person">
        <span className="avatar" aria-hidden="true">{initials(user)}</span>
        <div>
          <h2>{user.fullName ?? 'No name yet'}</h2>
          <p>{user.email ?? 'Anonymous user'}</p>
        </div>
      </div>
      <NameForm name={user.fullName ?? ''} badge={badge} save={save} />
    </section>
  )
}

type Outcome = { error?: string; typed?: string; saved?: boolean }

function NameForm({ name, badge, save }: { name: string; badge: ReactNode; save: Save }) {
  const [outcome, action, pending] = useActionState(async (_: Outcome, form: FormData): Promise<Outcome> => {
    const typed = String(form.get('fullName')).trim()
    // What is set before the first await of an action is shown when the action has ended: too late for optimism.
    await null
    const error = await save(typed || null)
    return error ? { error, typed } : { saved: true }
  }, {})

  return (
    <form action={action} className="fields">
      <label>
        Name
        {/* Follows a name that changes elsewhere, until something is typed. */}
        <input name="fullName" defaultValue={outcome.typed ?? name} maxLength={200} autoComplete="name" />
      </label>
      <div className="row">
        <button className="primary" disabled={pending}>Save</button>
        {outcome.error && <p role="alert" className="error">{outcome.error}</p>}
        <p role="status" className="saved">{outcome.saved && !pending && 'Saved'}</p>
        {badge}
      </div>
    </form>
  )
}

function initials({ fullName, email }: User): string {
  const words = (fullName ?? email ?? '?').split(/\s+/).filter(Boolean)
  return [words[0], ...words.slice(1).slice(-1)].map(word => word[0].toUpperCase()).join('')
}
