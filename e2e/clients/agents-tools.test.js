import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { UnauthorizedError, auth, createMCPClient } from '@ai-sdk/mcp';

import { approve, letIn, signIn } from '../agent.js';
import { startUsergraph } from '../usergraph.js';

let usergraph, users;
before(async () => {
  usergraph = await startUsergraph();
  users = Object.fromEntries(await Promise.all(['ada', 'bob'].map(async name => [name, await signIn(usergraph, `${name}@example.com`)])));
});
after(() => usergraph?.stop());

const revoke = (user, client) => user(`/user/oauth/grants?client_id=${client}`, { method: 'DELETE' });

/** Runs the inspector's CLI with a token, and returns what it prints. */
async function inspect(token, ...args) {
  const cli = fileURLToPath(new URL('node_modules/@modelcontextprotocol/inspector-cli/build/cli.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    cli, '--cli', `${usergraph.url}/mcp`, '--transport', 'http', ...args, '--header', `Authorization: Bearer ${token}`,
  ]);
  return JSON.parse(stdout);
}

test('the inspector lists tools and calls them, and is refused after the revocation', async () => {
  const { token, client_id } = await letIn(usergraph, users.ada);
  const { tools } = await inspect(token, '--method', 'tools/list');
  assert.deepEqual(tools.map(tool => [tool.name, tool.annotations.readOnlyHint]), [['WhoAmI', true]]);
  const called = await inspect(token, '--method', 'tools/call', '--tool-name', 'WhoAmI');
  assert.equal(called.structuredContent.me.fullName, 'Ada Lovelace');
  await revoke(users.ada, client_id);
  await assert.rejects(inspect(token, '--method', 'tools/call', '--tool-name', 'WhoAmI'), /SESSION_REVOKED/);
});

/** What an agent keeps, with the address to which it would send the browser. */
class Provider {
  redirectUrl = 'http://127.0.0.1:7777/callback';
  clientMetadata = { client_name: 'AI SDK', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none' };
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.given; }
  saveTokens(tokens) { this.given = tokens; }
  redirectToAuthorization(url) { this.asked = url; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}

test('the AI SDK signs in by itself, calls tools for two users at once, and is refused after the revocation', async () => {
  const serverUrl = `${usergraph.url}/mcp`;
  const agents = await Promise.all(Object.values(users).map(async user => {
    const provider = new Provider();
    assert.equal(await auth(provider, { serverUrl }), 'REDIRECT');
    const page = new URL(await approve(user, provider.asked));
    assert.equal(await auth(provider, { serverUrl, authorizationCode: page.searchParams.get('code') }), 'AUTHORIZED');
    const client = await createMCPClient({ transport: { type: 'http', url: serverUrl, authProvider: provider } });
    return { provider, client, user, tools: await client.tools() };
  }));
  const call = ({ tools }) => tools.WhoAmI.execute({}, { messages: [], toolCallId: '1' });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => call(agents[i % 2])));
  for (const [i, answer] of answers.entries()) {
    assert.equal(answer.structuredContent.me.fullName, i % 2 ? 'Bob Kahn' : 'Ada Lovelace');
  }
  const [ada, bob] = agents;
  await revoke(ada.user, ada.provider.client.client_id);
  ada.provider.asked = undefined;
  await assert.rejects(call(ada), UnauthorizedError);
  assert.ok(ada.provider.asked, 'it sends the user to the browser once more');
  assert.equal((await call(bob)).structuredContent.me.fullName, 'Bob Kahn');
  await Promise.all(agents.map(({ client }) => client.close()));
});
