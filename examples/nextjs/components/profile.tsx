'use client'

import { useActionState, useState, type ReactNode } from 'react'
import type { UpdateMeInput } from '@/lib/gql/graphql'

export type User = { fullName: string | null; avatarUrl: string | null; email: string | null }

/** Changes the user, and returns what went wrong, if something did. */
export type Save = (input: UpdateMeInput) => Promise<string | undefined>

/** Shows who is signed in, with a form that changes name and picture. */
export function Profile({ user, badge, save }: { user: User; badge?: ReactNode; save: Save }) {
  return (
    <section className="card" aria-label="Profile">
      <div className="person">
        {/* Anew for each address: one that has failed says nothing of the next. */}
        <Avatar key={user.avatarUrl} user={user} />
        <div>
          <h2>{user.fullName ?? 'No name yet'}</h2>
          <p>{user.email ?? 'Anonymous user'}</p>
        </div>
      </div>
      <ProfileForm user={user} badge={badge} save={save} />
    </section>
  )
}

/** The user's picture, or initials where there is none or it cannot be loaded. The name beside it says who it is. */
function Avatar({ user }: { user: User }) {
  const [failed, setFailed] = useState(false)
  if (!user.avatarUrl || failed) {
    return <span className="avatar" aria-hidden="true">{initials(user)}</span>
  }
  return (
    // The address is any: Next.js optimizes pictures of hosts that it has been told of only.
    <img
      className="avatar" src={user.avatarUrl} alt="" width={56} height={56} referrerPolicy="no-referrer"
      // A picture that has failed before React was there tells nobody.
      ref={image => { if (image?.complete && !image.naturalWidth) setFailed(true) }}
      onError={() => setFailed(true)}
    />
  )
}

type Outcome = { error?: string; typed?: { fullName: string; avatarUrl: string }; saved?: boolean }

function ProfileForm({ user, badge, save }: { user: User; badge: ReactNode; save: Save }) {
  const stored = { fullName: user.fullName ?? '', avatarUrl: user.avatarUrl ?? '' }
  const [outcome, action, pending] = useActionState(async (_: Outcome, form: FormData): Promise<Outcome> => {
    const text = (name: string) => String(form.get(name)).trim()
    const typed = { fullName: text('fullName'), avatarUrl: text('avatarUrl') }
    // What is set before the first await of an action is shown when the action has ended: too late for optimism.
    await null
    const error = await save({
      fullName: typed.fullName || null,
      ...(typed.avatarUrl !== stored.avatarUrl && { avatarUrl: typed.avatarUrl || null }),
    })
    return error ? { error, typed } : { saved: true }
  }, {})
  // Fields follow what changes elsewhere, until something is typed.
  const shown = outcome.typed ?? stored

  return (
    <form action={action} className="fields">
      <label>
        Name
        <input name="fullName" defaultValue={shown.fullName} maxLength={200} autoComplete="name" />
      </label>
      <label>
        Picture
        <input name="avatarUrl" type="url" defaultValue={shown.avatarUrl} maxLength={2048} placeholder="https://" autoComplete="photo" />
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
