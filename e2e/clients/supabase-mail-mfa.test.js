import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { createServerClient } from '@supabase/ssr';
import { createClient } from '@supabase/supabase-js';
import { WebSocket } from 'ws';

import { startUsergraph } from '../usergraph.js';

const password = 'correct horse battery staple';

let usergraph;
before(async () => { usergraph = await startUsergraph('--confirm-email'); });
after(() => usergraph?.stop());

/** A client with a session of its own, as in one browser. */
function client(options = {}) {
  return createClient(usergraph.supabaseURL, usergraph.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, ...options },
    realtime: { transport: WebSocket },
  });
}

function good({ data, error }) {
  assert.ifError(error);
  return data;
}

/** The latest mail to an address. Its line of the log may come after the answer. */
async function mailTo(address) {
  for (let attempt = 0; attempt < 100; attempt++) {
    await new Promise(resolve => { setTimeout(resolve, 20); });
    const mail = usergraph.logged().findLast(line => line.msg === 'mail' && line.to === address);
    if (mail) {
      return mail;
    }
  }
  return assert.fail(`no mail to ${address}`);
}

/** The page to which a link leads. */
async function open(link) {
  const { status, headers } = await fetch(link, { redirect: 'manual' });
  assert.equal(status, 303);
  return new URL(headers.get('location'));
}

/** A code of RFC 6238 for a secret in base32. */
function totp(secret, at = Date.now()) {
  const bits = [...secret].map(c => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac('sha1', key).update(step).digest();
  return String((hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

async function ask(token) {
  const answer = await fetch(`${usergraph.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ me { email } }' }),
  });
  const { data, errors } = await answer.json();
  return errors?.[0].extensions.code ?? data.me.email;
}

test('a sign-up waits for the link, which signs in the page that asked', async () => {
  const supabase = client();
  const { user, session } = good(await supabase.auth.signUp({
    email: 'carol@example.com', password, options: { emailRedirectTo: 'http://localhost:3000/welcome' },
  }));
  assert.equal(session, null);
  assert.equal(user.email_confirmed_at, undefined);
  assert.equal(user.identities.length, 1);
  const { error } = await supabase.auth.signInWithPassword({ email: 'carol@example.com', password });
  assert.equal(error.code, 'email_not_confirmed');

  const page = await open((await mailTo('carol@example.com')).link);
  assert.equal(page.origin + page.pathname, 'http://localhost:3000/welcome');
  const tokens = new URLSearchParams(page.hash.slice(1));
  const { user: confirmed } = good(await supabase.auth.setSession({
    access_token: tokens.get('access_token'), refresh_token: tokens.get('refresh_token'),
  }));
  assert.equal(confirmed.id, user.id);
  assert.ok(confirmed.email_confirmed_at);
  assert.equal(await ask(tokens.get('access_token')), 'carol@example.com');

  // Who has an account is not told.
  const again = good(await client().auth.signUp({ email: 'carol@example.com', password }));
  assert.equal(again.session, null);
  assert.deepEqual(again.user.identities, []);
});

test('verifyOtp takes the hash of the link, and the code of the mail', async () => {
  for (const [email, by] of [
    ['hash@example.com', mail => ({ type: 'email', token_hash: new URL(mail.link).searchParams.get('token') })],
    ['code@example.com', mail => ({ type: 'email', email: 'code@example.com', token: mail.code })],
  ]) {
    const supabase = client();
    good(await supabase.auth.signUp({ email, password }));
    good(await supabase.auth.resend({ type: 'signup', email }));
    const { session } = good(await supabase.auth.verifyOtp(by(await mailTo(email))));
    assert.equal(await ask(session.access_token), email);
    const { error } = await client().auth.verifyOtp(by(await mailTo(email)));
    assert.equal(error.code, 'otp_expired');
  }
});

test('a server with @supabase/ssr exchanges the code of the link for its session', async () => {
  const jar = new Map();
  const request = () => createServerClient(usergraph.supabaseURL, usergraph.publishableKey, {
    cookies: {
      getAll: () => [...jar].map(([name, value]) => ({ name, value })),
      setAll: changes => changes.forEach(({ name, value, options }) => options.maxAge === 0 ? jar.delete(name) : jar.set(name, value)),
    },
    realtime: { transport: WebSocket },
  });
  good(await request().auth.signUp({ email: 'ssr@example.com', password }));
  const page = await open((await mailTo('ssr@example.com')).link);
  const code = page.searchParams.get('code');
  const { error } = await client({ flowType: 'pkce' }).auth.exchangeCodeForSession(code);
  assert.ok(error, 'another browser has the session');
  good(await request().auth.exchangeCodeForSession(code));
  assert.equal(good(await request().auth.getUser()).user.email, 'ssr@example.com');
});

test('a new address counts when both addresses have confirmed it', async () => {
  const supabase = client();
  good(await supabase.auth.signInWithPassword({ email: 'bob@example.com', password: 'usergraph-dev' }));
  const { user } = good(await supabase.auth.updateUser({ email: 'robert@example.com' }));
  assert.equal(user.email, 'bob@example.com');
  assert.equal(user.new_email, 'robert@example.com');
  const half = await open((await mailTo('bob@example.com')).link);
  assert.match(new URLSearchParams(half.hash.slice(1)).get('message'), /other email/);
  const { session } = good(await client().auth.verifyOtp({
    type: 'email_change', email: 'robert@example.com', token: (await mailTo('robert@example.com')).code,
  }));
  assert.equal(session.user.email, 'robert@example.com');
  assert.equal(await ask(session.access_token), 'robert@example.com');
});

test('errors have their code in the header and the body', async () => {
  const supabase = client();
  good(await supabase.auth.signInWithPassword({ email: 'noname@example.com', password: 'usergraph-dev' }));
  const { error } = await supabase.auth.updateUser({ password: 'usergraph-dev' });
  assert.equal(error.code, 'same_password');
  assert.equal(error.status, 422);
  const answer = await fetch(`${usergraph.supabaseURL}/auth/v1/user`, { headers: { apikey: 'x' } });
  assert.equal(answer.headers.get('x-sb-error-code'), 'no_authorization');
});

test('a second factor raises the session, and lowers it when it goes', async () => {
  const supabase = client();
  good(await supabase.auth.signInWithPassword({ email: 'ada@example.com', password: 'usergraph-dev' }));
  const levels = async () => {
    const { currentLevel, nextLevel } = good(await supabase.auth.mfa.getAuthenticatorAssuranceLevel());
    return `${currentLevel} ${nextLevel}`;
  };
  const factor = good(await supabase.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'telephone' }));
  assert.match(factor.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg /);
  assert.match(factor.totp.uri, /^otpauth:\/\/totp\//);
  const challenge = good(await supabase.auth.mfa.challenge({ factorId: factor.id }));
  const wrong = await supabase.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: '000000' });
  assert.equal(wrong.error.code, 'mfa_verification_failed');
  good(await supabase.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: totp(factor.totp.secret) }));
  assert.equal(await levels(), 'aal2 aal2');
  const { totp: verified } = good(await supabase.auth.mfa.listFactors());
  assert.deepEqual(verified.map(f => [f.id, f.status, f.friendly_name]), [[factor.id, 'verified', 'telephone']]);

  // The next sign-in begins below, and the code raises it.
  good(await supabase.auth.signInWithPassword({ email: 'ada@example.com', password: 'usergraph-dev' }));
  assert.equal(await levels(), 'aal1 aal2');
  const refused = await supabase.auth.mfa.unenroll({ factorId: factor.id });
  assert.equal(refused.error.code, 'insufficient_aal');
  good(await supabase.auth.mfa.challengeAndVerify({ factorId: factor.id, code: totp(factor.totp.secret) }));
  assert.equal(await levels(), 'aal2 aal2');
  const raised = good(await supabase.auth.getSession()).session.access_token;
  assert.equal(await ask(raised), 'ada@example.com');

  good(await supabase.auth.mfa.unenroll({ factorId: factor.id }));
  assert.equal(await ask(raised), 'SESSION_REVOKED');
  good(await supabase.auth.refreshSession());
  assert.equal(await levels(), 'aal1 aal1');
  assert.equal(await ask(good(await supabase.auth.getSession()).session.access_token), 'ada@example.com');
});
