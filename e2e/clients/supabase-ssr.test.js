import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createServerClient } from '@supabase/ssr';
import { WebSocket } from 'ws';

import { startServe, startUsergraph } from '../usergraph.js';

let usergraph;
before(async () => { usergraph = await startUsergraph('--token-life', '60s'); });
after(() => usergraph?.stop());

/** The cookies of one browser, and a client for one request that carries them. */
function browser(options = {}) {
  const jar = new Map();
  const cookies = {
    getAll: () => [...jar].map(([name, value]) => ({ name, value })),
    setAll: changes => changes.forEach(({ name, value, options }) =>
      options.maxAge === 0 ? jar.delete(name) : jar.set(name, value)),
  };
  return {
    jar,
    request: () => createServerClient(usergraph.supabaseURL, usergraph.publishableKey, { ...options, cookies, realtime: { transport: WebSocket } }),
  };
}

function good({ data, error }) {
  assert.ifError(error);
  return data;
}

async function fullName(token) {
  const answer = await fetch(`${usergraph.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ me { fullName } }' }),
  });
  return (await answer.json()).data.me.fullName;
}

test('a server signs in, and its next request finds the session in the cookie', async () => {
  const { jar, request } = browser();
  good(await request().auth.signInWithPassword({ email: 'ada@example.com', password: 'usergraph-dev' }));
  assert.ok([...jar.keys()].every(name => /^sb-127-auth-token(\.\d)?$/.test(name)), [...jar.keys()].join());

  const supabase = request();
  assert.equal(good(await supabase.auth.getClaims()).claims.email, 'ada@example.com');
  assert.equal(good(await supabase.auth.getUser()).user.email, 'ada@example.com');
  assert.equal(await fullName(good(await supabase.auth.getSession()).session.access_token), 'Ada Lovelace');

  good(await request().auth.signOut());
  assert.equal(jar.size, 0);
  assert.equal(good(await request().auth.getSession()).session, null);
});

test('a token near its end is refreshed, and the cookie with it', async () => {
  // supabase-js refreshes 90 s before the end, and the tokens here live for 60.
  const { jar, request } = browser();
  good(await request().auth.signInWithPassword({ email: 'bob@example.com', password: 'usergraph-dev' }));
  const before = [...jar.values()].join();
  const { session } = good(await request().auth.getSession());
  assert.notEqual([...jar.values()].join(), before);
  assert.equal(await fullName(session.access_token), 'Bob Kahn');
});

test('a session that ended elsewhere is gone from the cookie once the user is asked for', async () => {
  const [here, there] = [browser(), browser()];
  for (const { request } of [here, there]) {
    good(await request().auth.signInWithPassword({ email: 'noname@example.com', password: 'usergraph-dev' }));
  }
  good(await there.request().auth.signOut({ scope: 'global' }));
  const { data, error } = await here.request().auth.getUser();
  assert.equal(data.user, null);
  assert.equal(error.name, 'AuthSessionMissingError');
  assert.equal(here.jar.size, 0);
});

test('the server takes the session cookie in both encodings, whole and in chunks', async () => {
  const serve = await startServe(usergraph, { SESSION_COOKIE: 'on' });
  try {
    for (const cookieEncoding of ['base64url', 'raw']) {
      for (const bio of ['', 'Zoë likes 🧮, "quotes" and 100 %; '.repeat(60)]) {
        const { jar, request } = browser({ cookieEncoding });
        const email = `${cookieEncoding}-${bio.length}@example.com`;
        good(await request().auth.signUp({ email, password: 'correct horse', options: { data: { full_name: 'Zoë', bio } } }));
        const session = [...jar].filter(([name]) => !name.endsWith('-code-verifier'));
        assert.equal(session[0][1].startsWith('base64-'), cookieEncoding === 'base64url');
        assert.equal(session.length > 1, bio !== '', [...jar.keys()].join());
        const answer = await fetch(`${serve.url}/graphql`, {
          method: 'POST',
          headers: {
            'Content-Type': 'application/json',
            Origin: serve.url,
            // As frameworks write cookies.
            Cookie: [...jar].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; '),
          },
          body: JSON.stringify({ query: '{ me { fullName } }' }),
        });
        assert.deepEqual(await answer.json(), { data: { me: { fullName: 'Zoë' } } }, `${cookieEncoding}, ${session.length} cookies`);
      }
    }
  } finally {
    await serve.stop();
  }
});
