import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Client as NewerClient, StreamableHTTPClientTransport as NewerTransport } from '@modelcontextprotocol/client';
import { Client as OlderClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OlderTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { startUsergraph } from '../usergraph.js';
import { tokenOf } from './ask.js';

let usergraph;
before(async () => { usergraph = await startUsergraph(); });
after(() => usergraph?.stop());

const ada = 'a0000000-0000-4000-8000-000000000001';
const bob = 'b0000000-0000-4000-8000-000000000002';

/** The token that the project's Auth gives an OAuth app for a user: the user's with a client_id. */
async function agentTokenOf(identity) {
  const [header, claims] = (await tokenOf(usergraph, identity)).split('.');
  const of = { ...JSON.parse(Buffer.from(claims, 'base64url')), client_id: 'c0de0000-0000-4000-8000-000000000001' };
  const text = `${header}.${Buffer.from(JSON.stringify(of)).toString('base64url')}`;
  const key = createPrivateKey(readFileSync(join(usergraph.data, 'signing-key.pem')));
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

for (const [name, Client, Transport] of [['@modelcontextprotocol/sdk', OlderClient, OlderTransport], ['@modelcontextprotocol/client', NewerClient, NewerTransport]]) {
  /** A client with the token of a user. */
  const connect = async token => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new Transport(new URL(`${usergraph.url}/mcp`), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }));
    return client;
  };

  test(`${name}: lists the tools and calls them as its user`, async () => {
    const [adas, bobs] = await Promise.all([ada, bob].map(async user => connect(await agentTokenOf(user))));
    const { tools } = await adas.listTools();
    assert.deepEqual(tools.map(tool => [tool.name, tool.title, tool.annotations.readOnlyHint]), [['WhoAmI', 'Who am I', true]]);
    // The clients check structuredContent against the tool's output schema.
    const calls = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 ? adas : bobs).callTool({ name: 'WhoAmI', arguments: {} })));
    for (const [i, call] of calls.entries()) {
      assert.equal(call.structuredContent.me.fullName, i % 2 ? 'Ada Lovelace' : 'Bob Kahn');
      assert.deepEqual(JSON.parse(call.content[0].text), call.structuredContent);
    }
    const wrong = await adas.callTool({ name: 'WhoAmI', arguments: { as: 'bob' } });
    assert.ok(wrong.isError);
    assert.match(wrong.content[0].text, /^BAD_USER_INPUT: /);
    await Promise.all([adas.close(), bobs.close()]);
  });

  test(`${name}: an agent is refused from the moment when its user has signed out everywhere`, async () => {
    const token = await agentTokenOf(bob);
    const client = await connect(token);
    assert.equal((await client.callTool({ name: 'WhoAmI' })).structuredContent.me.fullName, 'Bob Kahn');
    const out = await fetch(`${usergraph.supabaseURL}/auth/v1/logout?scope=global`, {
      method: 'POST',
      headers: { apikey: usergraph.publishableKey, Authorization: `Bearer ${await tokenOf(usergraph, bob)}` },
    });
    assert.equal(out.status, 204);
    await assert.rejects(client.callTool({ name: 'WhoAmI' }), /SESSION_REVOKED/);
    await client.close();
  });

  test(`${name}: the token of a browser is refused`, async () => {
    await assert.rejects(connect(await tokenOf(usergraph, ada)), /TOKEN_INVALID/);
  });
}
