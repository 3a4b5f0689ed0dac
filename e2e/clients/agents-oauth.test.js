import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client as NewerClient, StreamableHTTPClientTransport as NewerTransport, UnauthorizedError as NewerUnauthorized, auth as newerAuth } from '@modelcontextprotocol/client';
import { UnauthorizedError as OlderUnauthorized, auth as olderAuth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as OlderClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OlderTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createClient } from '@supabase/supabase-js';
import { WebSocket } from 'ws';

import { startUsergraph } from '../usergraph.js';

let usergraph;
before(async () => { usergraph = await startUsergraph(); });
after(() => usergraph?.stop());

/** What an agent keeps, with the address to which it would send the browser. */
class Provider {
  redirectUrl = 'http://127.0.0.1:7777/callback';
  asked = [];

  constructor(authMethod, scope) {
    this.clientMetadata = { client_name: 'Test agent', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: authMethod, scope };
  }

  state() { return 'state of the test'; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.given; }
  saveTokens(tokens) { this.given = tokens; }
  redirectToAuthorization(url) { this.asked.push(url); }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}

/** Ada's browser. */
async function browser() {
  const supabase = createClient(usergraph.supabaseURL, usergraph.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: WebSocket },
  });
  const { error } = await supabase.auth.signInWithPassword({ email: 'ada@example.com', password: 'usergraph-dev' });
  assert.ifError(error);
  return supabase;
}

/** The data of an answer; fails if it is an error. */
function good({ data, error }) {
  assert.ifError(error);
  return data;
}

/** Follows an agent's address to the consent page, and returns the page's address. */
async function consentPage(url) {
  const answer = await fetch(url, { redirect: 'manual' });
  assert.equal(answer.status, 302);
  return new URL(answer.headers.get('location'), url);
}

/** The parameters with which the browser comes back to the agent. */
function cameBack(url) {
  assert.ok(url.startsWith('http://127.0.0.1:7777/callback?'), url);
  const query = new URL(url).searchParams;
  assert.equal(query.get('state'), 'state of the test');
  return query;
}

for (const [name, Client, Transport, auth, Unauthorized] of [
  ['@modelcontextprotocol/sdk', OlderClient, OlderTransport, olderAuth, OlderUnauthorized],
  ['@modelcontextprotocol/client', NewerClient, NewerTransport, newerAuth, NewerUnauthorized],
]) {
  const connect = async provider => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new Transport(new URL(`${usergraph.url}/mcp`), { authProvider: provider }));
    return client;
  };
  /** Begins to sign in, and returns the id of the request. */
  const begin = async provider => {
    assert.equal(await auth(provider, { serverUrl: `${usergraph.url}/mcp` }), 'REDIRECT');
    return (await consentPage(provider.asked.at(-1))).searchParams.get('authorization_id');
  };
  const finish = (provider, query) => auth(provider, {
    serverUrl: `${usergraph.url}/mcp`, authorizationCode: query.get('code'), iss: query.get('iss') ?? undefined,
  });

  for (const method of ['none', 'client_secret_basic', 'client_secret_post']) {
    test(`${name}, ${method}: signs in, asks, refreshes, and is refused from the moment when the user has revoked it`, async () => {
      const [provider, supabase] = [new Provider(method, 'openid email'), await browser()];
      // Without a token, the client finds the authorization server by itself.
      await assert.rejects(connect(provider), Unauthorized);
      assert.equal(Boolean(provider.client.client_secret), method !== 'none');

      const id = await begin(provider);
      const details = good(await supabase.auth.oauth.getAuthorizationDetails(id));
      assert.deepEqual([details.client.name, details.user.email, details.scope], ['Test agent', 'ada@example.com', 'openid email']);
      const approved = good(await supabase.auth.oauth.approveAuthorization(id, { skipBrowserRedirect: true }));
      assert.equal(await finish(provider, cameBack(approved.redirect_url)), 'AUTHORIZED');
      assert.ok(provider.given.id_token);

      const client = await connect(provider);
      assert.equal((await client.callTool({ name: 'WhoAmI', arguments: {} })).structuredContent.me.fullName, 'Ada Lovelace');

      // The client has a refresh token, so auth() needs no browser.
      const before = provider.given;
      assert.equal(await auth(provider, { serverUrl: `${usergraph.url}/mcp` }), 'AUTHORIZED');
      assert.notEqual(provider.given.refresh_token, before.refresh_token);
      assert.equal((await client.callTool({ name: 'WhoAmI', arguments: {} })).structuredContent.me.fullName, 'Ada Lovelace');

      const grants = good(await supabase.auth.oauth.listGrants());
      assert.ok(grants.some(grant => grant.client.id === provider.client.client_id && grant.scopes.includes('openid')));
      assert.ifError((await supabase.auth.oauth.revokeGrant({ clientId: provider.client.client_id })).error);
      const refused = await fetch(`${usergraph.url}/mcp`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', Authorization: `Bearer ${provider.given.access_token}` },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      });
      assert.equal(refused.status, 401);
      assert.equal((await refused.json()).error.data.code, 'SESSION_REVOKED');
      // The client's refresh is refused too, so it sends the user to the browser once more.
      const asked = provider.asked.length;
      await assert.rejects(client.callTool({ name: 'WhoAmI', arguments: {} }), Unauthorized);
      assert.equal(provider.asked.length, asked + 1);
      // The browser's own session goes on.
      assert.equal(good(await supabase.auth.getUser()).user.email, 'ada@example.com');
      assert.ok(!good(await supabase.auth.oauth.listGrants()).some(grant => grant.client.id === provider.client.client_id));
      await client.close();
    });
  }

  test(`${name}: a user refuses, in an app's own page and in that of dev`, async () => {
    const [provider, supabase] = [new Provider('none', 'email'), await browser()];
    const id = await begin(provider);
    good(await supabase.auth.oauth.getAuthorizationDetails(id));
    const denied = good(await supabase.auth.oauth.denyAuthorization(id, { skipBrowserRedirect: true }));
    assert.equal(cameBack(denied.redirect_url).get('error'), 'access_denied');

    await begin(provider);
    const page = await consentPage(provider.asked.at(-1));
    assert.equal(cameBack(await submit(page, 'bob@example.com', 'deny')).get('error'), 'access_denied');
  });

  test(`${name}: the page of dev lets the agent act for the user who is chosen there`, async () => {
    const provider = new Provider('none', 'email');
    await begin(provider);
    const page = await consentPage(provider.asked.at(-1));
    await finish(provider, cameBack(await submit(page, 'bob@example.com', 'approve')));
    const client = await connect(provider);
    assert.equal((await client.callTool({ name: 'WhoAmI', arguments: {} })).structuredContent.me.fullName, 'Bob Kahn');
    await client.close();
  });
}

/** Sends the form of the consent page as a browser does, and returns where it leads. */
async function submit(page, email, action) {
  const html = await (await fetch(page)).text();
  assert.match(html, /Test agent wants to act for a user/);
  const [, user] = html.match(new RegExp(`value="([^"]+)"[^>]*> ${email}`));
  const [, id] = html.match(/name="authorization_id" value="([^"]+)"/);
  const answer = await fetch(page, {
    method: 'POST', redirect: 'manual', headers: { Origin: page.origin }, body: new URLSearchParams({ authorization_id: id, user, action }),
  });
  assert.equal(answer.status, 303);
  return answer.headers.get('location');
}
