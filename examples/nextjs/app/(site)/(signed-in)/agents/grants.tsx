'use client'

import type { OAuthGrant } from '@supabase/supabase-js'
import { useRouter } from 'next/navigation'
import { useRef, useState } from 'react'
import { supabase } from '@/lib/supabase/browser'

/** The agents that act for the user, each with a way to end that. */
export function Grants({ grants, mcpUrl }: { grants: OAuthGrant[]; mcpUrl: string }) {
  const router = useRouter()
  const dialog = useRef<HTMLDialogElement>(null)
  const list = useRef<HTMLElement>(null)
  const [asked, ask] = useState<OAuthGrant>()
  const [told, tell] = useState('')
  const [problem, setProblem] = useState<string>()

  async function revoke({ client }: OAuthGrant) {
    const { error } = await supabase.auth.oauth.revokeGrant({ clientId: client.id })
    dialog.current?.close()
    if (error) {
      setProblem(error.message)
      return
    }
    tell(`${nameOf(client)} is disconnected.`)
    // Its button goes away, and the focus with it.
    list.current?.focus()
    router.refresh()
  }

  return (
    <section className="card" aria-label="Connected agents" ref={list} tabIndex={-1}>
      <p role="status" className={told ? 'saved' : 'visually-hidden'}>{told}</p>
      {problem && <p role="alert" className="error">{problem}</p>}
      {grants.length === 0 ? (
        <div className="empty">
          <p>No agent is connected. Give one this address, and it leads you to the page that asks you:</p>
          <p><code>{mcpUrl}</code></p>
        </div>
      ) : (
        <ul className="rows">
          {grants.map(grant => (
            <li key={grant.client.id}>
              <div>
                <h2>{nameOf(grant.client)}</h2>
                <p className="aside">Connected on {dateOf(grant.granted_at)}. May read: {grant.scopes.join(', ')}.</p>
              </div>
              <button
                aria-label={`Disconnect ${nameOf(grant.client)}`}
                onClick={() => {
                  tell('')
                  setProblem(undefined)
                  ask(grant)
                  dialog.current?.showModal()
                }}
              >
                Disconnect
              </button>
            </li>
          ))}
        </ul>
      )}
      <dialog ref={dialog} aria-labelledby="disconnect">
        <h2 id="disconnect">Disconnect {asked && nameOf(asked.client)}?</h2>
        <p className="aside">Its sessions end now. To act for you again, it has to ask you again.</p>
        <div className="row">
          <button className="danger" onClick={() => asked && revoke(asked)}>Disconnect</button>
          <button onClick={() => dialog.current?.close()}>Cancel</button>
        </div>
      </dialog>
    </section>
  )
}

const nameOf = ({ name, id }: OAuthGrant['client']) => name || id

/** The same on the server and in the browser, wherever they are. */
const dateOf = (text: string) => new Date(text).toLocaleDateString('en', { dateStyle: 'medium', timeZone: 'UTC' })
