import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';

const json = { 'Content-Type': 'application/json' };

/** A user of `usergraph dev` in a browser: asks its stand-in for Supabase Auth. */
export async function signIn(usergraph, email) {
  const ask = async (path, { headers, ...options } = {}) => {
    const answer = await fetch(`${usergraph.supabaseURL}/auth/v1${path}`, { ...options, headers: { apikey: usergraph.publishableKey, ...json, ...headers } });
    const text = await answer.text();
    assert.ok(answer.ok, `${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  };
  const { access_token } = await ask('/token?grant_type=password', { method: 'POST', body: JSON.stringify({ email, password: 'usergraph-dev' }) });
  return (path, options) => ask(path, { ...options, headers: { Authorization: `Bearer ${access_token}` } });
}

/** Registers an agent without a secret, which comes back to one page. */
export async function register(usergraph, page, name = 'Test agent') {
  const answer = await fetch(`${usergraph.supabaseURL}/auth/v1/oauth/clients/register`, {
    method: 'POST', headers: json, body: JSON.stringify({ client_name: name, redirect_uris: [page], token_endpoint_auth_method: 'none' }),
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

/** Follows an agent's link as a user's browser does, and approves. Returns the agent's page with the code. */
export async function approve(user, link) {
  const { headers } = await fetch(link, { redirect: 'manual' });
  const id = new URL(headers.get('location'), link).searchParams.get('authorization_id');
  await user(`/oauth/authorizations/${id}`);
  const { redirect_url } = await user(`/oauth/authorizations/${id}/consent`, { method: 'POST', body: '{"action":"approve"}' });
  return redirect_url;
}

/** Lets an agent act for a user. Returns its access token, and the client's id. */
export async function letIn(usergraph, user) {
  const page = 'http://127.0.0.1:7777/callback';
  const client_id = await register(usergraph, page);
  const code_verifier = randomBytes(32).toString('base64url');
  const oauth = `${usergraph.supabaseURL}/auth/v1/oauth`;
  const answer = await approve(user, `${oauth}/authorize?${new URLSearchParams({
    client_id, redirect_uri: page, code_challenge: createHash('sha256').update(code_verifier).digest('base64url'), code_challenge_method: 'S256',
  })}`);
  const code = new URL(answer).searchParams.get('code');
  const given = await fetch(`${oauth}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code', client_id, code, code_verifier }) });
  return { client_id, token: (await given.json()).access_token };
}
