import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { authExchange } from '@urql/exchange-auth';
import { persistedExchange } from '@urql/exchange-persisted';

import { recordingFetch, tokenOf } from './ask.js';
import { startUsergraph } from '../usergraph.js';

let usergraph, ada;
before(async () => {
  usergraph = await startUsergraph();
  ada = await tokenOf(usergraph, 'ada@example.com');
});
after(() => usergraph?.stop());

const ME = 'query WhoAmI { me { id fullName } }';
const RENAME = 'mutation Rename($input: UpdateMeInput!) { updateMe(input: $input) { id fullName } }';

function urql({ token = ada, exchanges = [], ...options } = {}) {
  const { calls, fetch } = recordingFetch();
  const client = new Client({
    url: `${usergraph.url}/graphql`,
    fetch,
    fetchOptions: token ? { headers: { Authorization: `Bearer ${token}` } } : {},
    exchanges: [cacheExchange, ...exchanges, fetchExchange],
    preferGetMethod: false,
    ...options,
  });
  return { calls, client };
}

test('reads and writes, and gets JSON though it would take a stream', async () => {
  const { client, calls } = urql();
  const { data, error } = await client.query(ME, {});
  assert.equal(error, undefined);
  assert.equal(data.me.fullName, 'Ada Lovelace');
  assert.match(calls[0].type, /^application\/graphql-response\+json/);
  const { data: renamed } = await client.mutation(RENAME, { input: { fullName: 'Ada Lovelace' } });
  assert.equal(renamed.updateMe.fullName, 'Ada Lovelace');
});

test('finds the code of an error', async () => {
  const { client } = urql({ token: null });
  const { error } = await client.query(ME, {});
  assert.equal(error.graphQLErrors[0].extensions.code, 'UNAUTHENTICATED');
  const { error: invalid } = await client.query('{ nothing }', {});
  assert.equal(invalid.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

test('sends queries by GET', async () => {
  const { client, calls } = urql({ preferGetMethod: 'force' });
  const { data } = await client.query(ME, {});
  assert.equal(data.me.fullName, 'Ada Lovelace');
  assert.equal(calls[0].method, 'GET');
});

for (const preferGetForPersistedQueries of [false, true]) {
  test(`registers a query by its hash, ${preferGetForPersistedQueries ? 'GET' : 'POST'}`, async () => {
    const query = `query Registered${preferGetForPersistedQueries} { me { fullName } }`;
    const exchanges = () => [persistedExchange({ preferGetForPersistedQueries })];
    const first = urql({ exchanges: exchanges() });
    assert.equal((await first.client.query(query, {})).data.me.fullName, 'Ada Lovelace');
    assert.equal(first.calls.length, 2);
    const second = urql({ exchanges: exchanges() });
    assert.equal((await second.client.query(query, {})).data.me.fullName, 'Ada Lovelace');
    assert.equal(second.calls.length, 1);
    assert.equal(second.calls[0].method, preferGetForPersistedQueries ? 'GET' : 'POST');
    assert.ok(!`${second.calls[0].url}${second.calls[0].body}`.includes('fullName'), 'the text was sent');
  });
}

test('refreshes a token that is refused, and asks again', async () => {
  let refreshed = 0;
  const exchanges = [
    authExchange(async utilities => ({
      addAuthToOperation: operation => utilities.appendHeaders(operation, { Authorization: `Bearer ${refreshed ? ada : 'a.b.c'}` }),
      didAuthError: error => error.graphQLErrors.some(e => e.extensions?.code === 'TOKEN_INVALID') || error.response?.status === 401,
      refreshAuth: async () => { refreshed++; },
    })),
  ];
  const { client } = urql({ token: null, exchanges });
  const { data } = await client.query(ME, {});
  assert.equal(data.me.fullName, 'Ada Lovelace');
  assert.equal(refreshed, 1);
});
