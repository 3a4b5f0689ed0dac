import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { request } from 'graphql-request';

import { startUsergraph } from '../usergraph.js';

let usergraph;
before(async () => { usergraph = await startUsergraph(); });
after(() => usergraph?.stop());

test('graphql-request asks as Ada', async () => {
  const answer = await fetch(`${usergraph.url}/dev/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ identity: 'ada@example.com' }),
  });
  const { token } = await answer.json();
  const { me } = await request(`${usergraph.url}/graphql`, '{ me { fullName } }', {}, { Authorization: `Bearer ${token}` });
  assert.deepEqual(me, { fullName: 'Ada Lovelace' });
});
