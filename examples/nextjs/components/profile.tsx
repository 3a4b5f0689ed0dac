'use client'

import { useActionState, type ReactNode } from 'react'

export type User = { fullName: string | null; email: string | null }

/** Shows who is signed in, with a form that changes the name. save returns what went wrong, if something did. */
export function Profile({
  user,
  badge,
  save,
}: {
  user: User
  badge?: ReactNode
  save: (fullName: string | null) => Promise<string | undefined>
}) {
  return (
    <section className="card" aria-label="Profile">
      <div className="person">
        <span className="avatar" aria-hidden="true">{initials(user)}</span>
        <div>
          <h2>{user.fullName ?? 'No name yet'}</h2>
          <p>{user.email ?? 'Anonymous user'}</p>
        </div>
        {badge}
      </div>
      <NameForm name={user.fullName ?? ''} save={save} />
    </section>
  )
}

type Outcome = { error?: string; saved?: boolean }

function NameForm({ name, save }: { name: string; save: (fullName: string | null) => Promise<string | undefined> }) {
  const [outcome, action, pending] = useActionState(
    async (_: Outcome, form: FormData): Promise<Outcome> => {
      const error = await save(String(form.get('fullName')).trim() || null)
      return { error, saved: !error }
    },
    {},
  )
  return (
    <form action={action} className="fields">
      <label>
        Name
        {/* A new key takes over a name that was changed elsewhere. */}
        <input key={name} name="fullName" defaultValue={name} maxLength={200} autoComplete="name" />
      </label>
      <div className="row">
        <button className="primary" disabled={pending}>Save</button>
        <p role="status" className={outcome.error ? 'error' : 'saved'}>
          {pending ? '' : (outcome.error ?? (outcome.saved ? 'Saved' : ''))}
        </p>
      </div>
    </form>
  )
}

function initials({ fullName, email }: User): string {
  const words = (fullName ?? email ?? '?').split(/\s+/).filter(Boolean)
  return [words[0], ...words.slice(1).slice(-1)].map(word => word[0].toUpperCase()).join('')
}
