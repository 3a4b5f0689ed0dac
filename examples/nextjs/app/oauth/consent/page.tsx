import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { Logo } from '@/components/logo'
import { readIssuer, withIssuer } from '@/lib/supabase/issuer'
import { requireToken, serverClient } from '@/lib/supabase/server'
import { Decision } from './decision'

export const metadata: Metadata = { title: 'Connect an agent', referrer: 'no-referrer' }

const scopes: Record<string, string> = {
  openid: 'Know who you are',
  email: 'Read your email address',
  profile: 'Read your name and picture',
  phone: 'Read your phone number',
  offline_access: 'Stay connected until you disconnect it',
}

/** Supabase Auth leads here when an OAuth client wants to act for the user: [auth.oauth_server] of supabase/config.toml. */
export default async function ConsentPage({ searchParams }: PageProps<'/oauth/consent'>) {
  const id = [(await searchParams).authorization_id].flat()[0] ?? ''
  await requireToken(`/oauth/consent?${new URLSearchParams({ authorization_id: id })}`)
  const supabase = await serverClient()
  const [{ data, error }, issuer] = await Promise.all([supabase.auth.oauth.getAuthorizationDetails(id), readIssuer()])
  // Who has consented before is not asked again.
  if (data && 'redirect_url' in data) {
    redirect(withIssuer(data.redirect_url, issuer))
  }
  return (
    <main className="narrow">
      <Logo />
      {error ? (
        <div className="card">
          <h1>This request cannot be answered</h1>
          <p role="alert" className="error">{error.message}</p>
          <p className="aside">Requests are good for ten minutes, once, and for the user who has opened them first. Let the agent ask again.</p>
        </div>
      ) : (
        <div className="card">
          <h1>{data.client.name || 'An agent'} wants to act for you</h1>
          <dl>
            <dt>You</dt>
            <dd>{data.user.email || 'Anonymous user'}</dd>
            <dt>It may</dt>
            <dd>
              <ul>
                <li>Use the operations that the team has reviewed, as you</li>
                {data.scope.split(' ').map(scope => <li key={scope}>{scopes[scope] ?? scope}</li>)}
              </ul>
            </dd>
            <dt>Goes back to</dt>
            <dd><code>{data.redirect_uri}</code></dd>
          </dl>
          <Decision id={data.authorization_id} issuer={issuer} />
          <p className="aside">
            Anybody can give an agent this name. Approve only if you have just asked it to connect. You can disconnect it at any
            time, on the page Agents.
          </p>
        </div>
      )}
    </main>
  )
}
