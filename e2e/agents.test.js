import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startUsergraph } from './usergraph.js';

describe('the consent page of dev', () => {
  let server, browser, agent, oauth;
  before(async () => {
    [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
    oauth = `${server.supabaseURL}/auth/v1/oauth`;
    // The page of an agent: a link to sign in, and what it was answered.
    agent = createServer((request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<html lang="en"><title>agent</title><link rel="icon" href="data:,"><a href="${agent.link?.replaceAll('&', '&amp;')}">Sign in</a></html>`);
    }).listen(0, '127.0.0.1');
    await once(agent, 'listening');
    agent.url = `http://127.0.0.1:${agent.address().port}`;
  });
  after(() => {
    agent?.close();
    return Promise.all([server?.stop(), browser?.close()]);
  });

  /** Registers a client, and returns it with the verifier of its link. */
  async function register(name) {
    const answer = await fetch(`${oauth}/clients/register`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ client_name: name, redirect_uris: [`${agent.url}/callback`], token_endpoint_auth_method: 'none' }),
    });
    const { client_id } = await answer.json();
    const verifier = randomBytes(32).toString('base64url');
    agent.link = `${oauth}/authorize?${new URLSearchParams({
      client_id, redirect_uri: `${agent.url}/callback`, response_type: 'code', state: name,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
    })}`;
    return { client_id, verifier };
  }

  test('approves as the user who is chosen', async () => {
    const { client_id, verifier } = await register('My <i>agent</i>');
    const { page, close } = await openPage(browser, [server.supabaseURL, agent.url]);
    await page.goto(agent.url);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'My <i>agent</i> wants to act for a user' }).waitFor();
    await assertAccessible(page);
    await page.getByLabel('bob@example.com').check();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.waitForURL(`${agent.url}/callback?**`);
    const query = new URL(page.url()).searchParams;
    assert.equal(query.get('state'), 'My <i>agent</i>');
    const answer = await fetch(`${oauth}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'authorization_code', client_id, code: query.get('code'), code_verifier: verifier }),
    });
    const { access_token } = await answer.json();
    const claims = JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url'));
    assert.deepEqual([claims.email, claims.client_id], ['bob@example.com', client_id]);
    await close();
  });

  test('refuses', async () => {
    await register('Nosy');
    const { page, close } = await openPage(browser, [server.supabaseURL, agent.url], { colorScheme: 'dark', viewport: { width: 390, height: 844 } });
    await page.goto(agent.link);
    await assertAccessible(page);
    await page.getByRole('button', { name: 'Refuse' }).click();
    await page.waitForURL(`${agent.url}/callback?**`);
    assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
    await close();
  });
});
