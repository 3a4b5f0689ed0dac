import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient } from '@supabase/supabase-js';
import { WebSocket } from 'ws';

import { startUsergraph } from '../usergraph.js';

const password = 'correct horse battery staple';

let usergraph;
before(async () => { usergraph = await startUsergraph(); });
after(() => usergraph?.stop());

/** A client with a session of its own, as in one browser. */
function client() {
  return createClient(usergraph.supabaseURL, usergraph.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket },
  });
}

/** The data of an answer; fails if it is an error. */
function good({ data, error }) {
  assert.ifError(error);
  return data;
}

async function me(token) {
  const answer = await fetch(`${usergraph.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ me { id fullName email } }' }),
  });
  const { data, errors } = await answer.json();
  return errors?.[0].extensions.code ?? data.me;
}

function decode(token) {
  const [header, claims] = token.split('.', 2).map(part => JSON.parse(Buffer.from(part, 'base64url')));
  return { header, claims };
}

test('whoever signs up is signed in, and has a row made by the trigger', async () => {
  const supabase = client();
  const { user, session } = good(await supabase.auth.signUp({
    email: 'Carol@Example.com', password, options: { data: { full_name: 'Carol Shaw' } },
  }));
  assert.equal(user.email, 'carol@example.com');
  assert.equal(user.user_metadata.full_name, 'Carol Shaw');
  assert.equal(user.identities.length, 1);
  assert.deepEqual(await me(session.access_token), { id: user.id, fullName: 'Carol Shaw', email: 'carol@example.com' });

  const { header, claims } = decode(session.access_token);
  assert.deepEqual(Object.keys(header).sort(), ['alg', 'kid', 'typ']);
  assert.equal(header.alg, 'ES256');
  assert.deepEqual(Object.keys(claims).sort(), [
    'aal', 'amr', 'app_metadata', 'aud', 'email', 'exp', 'iat', 'is_anonymous', 'iss', 'phone', 'role', 'session_id', 'sub', 'user_metadata',
  ]);
  assert.equal(claims.iss, `${usergraph.supabaseURL}/auth/v1`);
  assert.equal(claims.aud, 'authenticated');
  assert.equal(claims.phone, '');
  assert.deepEqual(claims.app_metadata, { provider: 'email', providers: ['email'] });
  assert.equal(claims.amr[0].method, 'password');
  assert.equal(claims.exp - claims.iat, 3600);
  assert.equal(session.expires_at, claims.exp);

  const again = await client().auth.signUp({ email: 'carol@example.com', password });
  assert.equal(again.error.code, 'user_already_exists');
  assert.equal(again.error.message, 'User already registered');
});

test('the seeded users sign in with the password of the banner', async () => {
  for (const [email, fullName] of [['ada@example.com', 'Ada Lovelace'], ['bob@example.com', 'Bob Kahn'], ['noname@example.com', null]]) {
    const { session } = good(await client().auth.signInWithPassword({ email, password: 'usergraph-dev' }));
    assert.equal((await me(session.access_token)).fullName, fullName);
  }
});

test('a wrong password and an unknown address look the same', async () => {
  for (const email of ['ada@example.com', 'eve@example.com']) {
    const { error } = await client().auth.signInWithPassword({ email, password: 'wrong' });
    assert.equal(error.name, 'AuthApiError');
    assert.equal(error.status, 400);
    assert.equal(error.code, 'invalid_credentials');
    assert.equal(error.message, 'Invalid login credentials');
  }
});

test('a password that is too short is called weak', async () => {
  const { error } = await client().auth.signUp({ email: 'dan@example.com', password: '12345' });
  assert.equal(error.name, 'AuthWeakPasswordError');
  assert.deepEqual(error.reasons, ['length']);
});

test('an anonymous user is a user, and stays the same one with an address', async () => {
  const supabase = client();
  const { user, session } = good(await supabase.auth.signInAnonymously({ options: { data: { theme: 'dark' } } }));
  assert.equal(user.is_anonymous, true);
  assert.equal(user.user_metadata.theme, 'dark');
  assert.equal(decode(session.access_token).claims.is_anonymous, true);
  assert.equal(decode(session.access_token).claims.amr[0].method, 'anonymous');
  assert.equal((await me(session.access_token)).id, user.id);

  const changed = good(await supabase.auth.updateUser({ email: 'frances@example.com', password }));
  assert.equal(changed.user.id, user.id);
  assert.equal(changed.user.is_anonymous, false);
  const later = good(await client().auth.signInWithPassword({ email: 'frances@example.com', password }));
  assert.equal(later.user.id, user.id);
});

test('the user is read and changed', async () => {
  const supabase = client();
  good(await supabase.auth.signUp({ email: 'grace@example.com', password, options: { data: { a: 1, b: 2 } } }));
  const { user } = good(await supabase.auth.updateUser({ data: { b: null, c: 3 } }));
  assert.equal(user.user_metadata.a, 1);
  assert.equal('b' in user.user_metadata, false);
  assert.deepEqual(good(await supabase.auth.getUser()).user.user_metadata, user.user_metadata);
  const { error } = await supabase.auth.updateUser({ email: 'ada@example.com' });
  assert.equal(error.code, 'email_exists');
});

test('getClaims verifies by the key set, without asking for the user', async () => {
  const asked = [];
  const supabase = createClient(usergraph.supabaseURL, usergraph.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket },
    global: { fetch: (url, init) => { asked.push(new URL(url).pathname); return fetch(url, init); } },
  });
  const { session } = good(await supabase.auth.signInWithPassword({ email: 'ada@example.com', password: 'usergraph-dev' }));
  asked.length = 0;
  const { claims } = good(await supabase.auth.getClaims());
  assert.equal(claims.email, 'ada@example.com');
  assert.deepEqual(asked, ['/auth/v1/.well-known/jwks.json']);

  const [header, , signature] = session.access_token.split('.');
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'b0000000-0000-4000-8000-000000000002' })).toString('base64url');
  const { error } = await supabase.auth.getClaims(`${header}.${forged}.${signature}`);
  assert.equal(error.name, 'AuthInvalidJwtError');
});

test('a refresh token is good once', async () => {
  const supabase = client();
  const { session: first } = good(await supabase.auth.signInWithPassword({ email: 'bob@example.com', password: 'usergraph-dev' }));
  const { session: second } = good(await supabase.auth.refreshSession());
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(decode(second.access_token).claims.session_id, decode(first.access_token).claims.session_id);
  assert.equal((await me(second.access_token)).fullName, 'Bob Kahn');

  // Two tabs, or an answer that was lost: the token that is good now is given again.
  const [a, b] = await Promise.all([1, 2].map(() => client().auth.refreshSession({ refresh_token: second.refresh_token })));
  assert.equal(good(a).session.refresh_token, good(b).session.refresh_token);

  const { error } = await client().auth.refreshSession({ refresh_token: 'made up' });
  assert.equal(error.code, 'refresh_token_not_found');
});

test('signing out removes the session: here, elsewhere, everywhere', async () => {
  const signIn = async () => {
    const supabase = client();
    const { session } = good(await supabase.auth.signInWithPassword({ email: 'noname@example.com', password: 'usergraph-dev' }));
    return { auth: supabase.auth, refreshToken: session.refresh_token, token: session.access_token };
  };
  const alive = async ({ token, refreshToken }) => {
    const { error } = await client().auth.getUser(token);
    const refreshed = await client().auth.refreshSession({ refresh_token: refreshToken });
    assert.equal(refreshed.error?.code, error ? 'refresh_token_not_found' : undefined);
    assert.ok(error === null || error.name === 'AuthSessionMissingError', error?.name);
    return error === null;
  };
  const [laptop, phone, tablet] = [await signIn(), await signIn(), await signIn()];
  good(await laptop.auth.signOut({ scope: 'local' }));
  assert.deepEqual([await alive(laptop), await alive(phone), await alive(tablet)], [false, true, true]);
  good(await phone.auth.signOut({ scope: 'others' }));
  assert.deepEqual([await alive(phone), await alive(tablet)], [true, false]);
  const watch = await signIn();
  good(await watch.auth.signOut());
  assert.deepEqual([await alive(watch), await alive(phone)], [false, false]);
});

test('what the stand-in cannot do is said', async () => {
  const { error } = await client().auth.signInWithOtp({ email: 'ada@example.com' });
  assert.equal(error.status, 404);
  assert.match(error.message, /local stand-in/);
});
