'use client'

import { useState, type ReactNode, type SubmitEvent } from 'react'

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

function NameForm({ name, badge, save }: { name: string; badge: ReactNode; save: Save }) {
  // What is typed stays until it has been saved; else the name is shown, also when it changes elsewhere.
  const [typed, setTyped] = useState<string>()
  const [outcome, setOutcome] = useState<'saving' | 'saved' | { error: string }>()

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault()
    setOutcome('saving')
    const error = await save((typed ?? name).trim() || null)
    if (error) {
      setOutcome({ error })
    } else {
      setTyped(undefined)
      setOutcome('saved')
    }
  }

  return (
    <form onSubmit={submit} className="fields">
      <label>
        Name
        <input
          name="fullName"
          value={typed ?? name}
          onChange={event => setTyped(event.target.value)}
          maxLength={200}
          autoComplete="name"
        />
      </label>
      <div className="row">
        <button className="primary" disabled={outcome === 'saving'}>Save</button>
        {typeof outcome === 'object'
          ? <p role="alert" className="error">{outcome.error}</p>
          : <p role="status" className="saved">{outcome === 'saved' && 'Saved'}</p>}
        {badge}
      </div>
    </form>
  )
}

function initials({ fullName, email }: User): string {
  const words = (fullName ?? email ?? '?').split(/\s+/).filter(Boolean)
  return [words[0], ...words.slice(1).slice(-1)].map(word => word[0].toUpperCase()).join('')
}
