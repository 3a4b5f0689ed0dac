import { useState, type FormEvent } from 'react';
import { Button, type GraphiQLPlugin } from '@graphiql/react';
import type { Config } from './config';
import { useCaller, useSession } from './session';
import { passwordSource } from './sources';
import { decode, type Claims } from './token';
import { Validity } from './Validity';

/** The panel that shows the claims of the caller's token, and in production takes a token or a password. */
export function callerPlugin(config: Config): GraphiQLPlugin {
  return { title: 'Caller', icon: CallerIcon, content: () => <CallerPanel config={config} /> };
}

function CallerPanel({ config }: { config: Config }) {
  const { token } = useCaller();
  const decoded = token ? decode(token) : null;
  const canSignIn = config.supabaseURL !== '' && config.publishableKey !== '';
  return (
    <section className="caller-panel" aria-labelledby="caller-title">
      <h2 id="caller-title">Caller</h2>
      <p>
        <Validity token={token} />
      </p>
      {config.identities.length === 0 && (token ? <SignOut /> : <PasteToken />)}
      {config.identities.length === 0 && !token && canSignIn && <SignIn config={config} />}
      {token && <CopyToken token={token} />}
      {decoded && (
        <>
          <h3>Claims</h3>
          <ClaimList claims={decoded.claims} />
          <h3>Header</h3>
          <ClaimList claims={decoded.header} />
          <p className="note">Decoded here; the server verifies them at each request.</p>
        </>
      )}
      {!token && <p className="note">Requests are sent without a token: the server sees nobody.</p>}
    </section>
  );
}

function ClaimList({ claims }: { claims: Claims }) {
  return (
    <dl className="claims">
      {Object.entries(claims).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {typeof value === 'string' ? value || '""' : JSON.stringify(value, null, 1)}
            {['exp', 'iat', 'nbf'].includes(name) && typeof value === 'number' && (
              <span className="note"> {new Date(value * 1000).toLocaleString()}</span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function CopyToken({ token }: { token: string }) {
  const [copied, setCopied] = useState('');
  async function copy() {
    await navigator.clipboard.writeText(token);
    setCopied(token);
  }
  return (
    <Button type="button" onClick={() => void copy()}>
      {copied === token ? 'Copied' : 'Copy token'}
    </Button>
  );
}

function SignOut() {
  const session = useSession();
  return (
    <Button type="button" onClick={() => session.use('', null)}>
      Forget the token
    </Button>
  );
}

function PasteToken() {
  const session = useSession();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const token = field(event, 'token').trim().replace(/^Bearer\s+/i, '');
    const { email, sub } = decode(token)?.claims ?? {};
    session.use(String(email || sub || 'the pasted token'), token);
  }
  return (
    <form onSubmit={submit}>
      <h3>Paste a token</h3>
      <label>
        Access token
        <input name="token" required autoComplete="off" spellCheck={false} />
      </label>
      <Button type="submit">Use this token</Button>
      <p className="note">It is kept in this page only, and gone when the page is closed or reloaded.</p>
    </form>
  );
}

function SignIn({ config }: { config: Config }) {
  const session = useSession();
  const { busy } = useCaller();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const [email, password] = [field(event, 'email'), field(event, 'password')];
    void session.signIn(email, passwordSource(config.supabaseURL, config.publishableKey, email, password));
  }
  return (
    <form onSubmit={submit}>
      <h3>Or sign in</h3>
      <label>
        Email
        <input name="email" type="email" required autoComplete="username" />
      </label>
      <label>
        Password
        <input name="password" type="password" required autoComplete="current-password" />
      </label>
      <Button type="submit" disabled={busy}>
        Sign in
      </Button>
    </form>
  );
}

function field(event: FormEvent<HTMLFormElement>, name: string): string {
  return String(new FormData(event.currentTarget).get(name));
}

function CallerIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <circle cx="12" cy="8" r="4.2" />
      <path d="M4 20.5c.6-4 4-6 8-6s7.4 2 8 6" strokeLinecap="round" />
    </svg>
  );
}
