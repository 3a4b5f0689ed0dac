import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

import { recordingFetch, tokenOf } from './ask.js';
import { startUsergraph } from '../usergraph.js';

let usergraph, ada;
before(async () => {
  usergraph = await startUsergraph();
  ada = await tokenOf(usergraph, 'ada@example.com');
});
after(() => usergraph?.stop());

const ME = gql`query WhoAmI { me { id fullName } }`;
const RENAME = gql`mutation Rename($input: UpdateMeInput!) { updateMe(input: $input) { id fullName } }`;

function apollo({ token, links = [], ...options } = {}) {
  const { calls, fetch } = recordingFetch();
  const http = new HttpLink({
    uri: `${usergraph.url}/graphql`,
    fetch,
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    ...options,
  });
  return { calls, client: new ApolloClient({ cache: new InMemoryCache(), link: ApolloLink.from([...links, http]) }) };
}

test('reads, writes, and sees in its cache what it wrote', async () => {
  const { client, calls } = apollo({ token: ada });
  const { data } = await client.query({ query: ME });
  assert.equal(data.me.fullName, 'Ada Lovelace');
  assert.match(calls[0].type, /^application\/graphql-response\+json/);
  const { data: renamed } = await client.mutate({ mutation: RENAME, variables: { input: { fullName: 'Ada King' } } });
  assert.equal(renamed.updateMe.fullName, 'Ada King');
  assert.equal(client.readQuery({ query: ME }).me.fullName, 'Ada King');
  await client.mutate({ mutation: RENAME, variables: { input: { fullName: 'Ada Lovelace' } } });
});

test('finds the code of an error', async () => {
  const { client } = apollo();
  for (const [query, code, status] of [
    [ME, 'UNAUTHENTICATED', 200],
    [gql`{ nothing }`, 'GRAPHQL_VALIDATION_FAILED', 400],
    [gql`{ a: me { b: me { c: me { d: me { e: me { f: me { g: me { h: me { id } } } } } } } } }`, 'DEPTH_LIMIT_EXCEEDED', 400],
  ]) {
    const { calls, client } = apollo();
    await assert.rejects(client.query({ query }), error => {
      assert.ok(CombinedGraphQLErrors.is(error), `${error}`);
      assert.equal(error.errors[0].extensions.code, code);
      return true;
    });
    assert.equal(calls[0].status, status);
  }
  await assert.rejects(client.mutate({ mutation: RENAME, variables: { input: { fullName: 7 } } }), error => {
    assert.equal(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    return true;
  });
});

test('sends queries by GET', async () => {
  const { client, calls } = apollo({ token: ada, useGETForQueries: true });
  const { data } = await client.query({ query: ME });
  assert.equal(data.me.fullName, 'Ada Lovelace');
  assert.equal(calls[0].method, 'GET');
  const { data: renamed } = await client.mutate({ mutation: RENAME, variables: { input: {} } });
  assert.equal(renamed.updateMe.fullName, 'Ada Lovelace');
  assert.equal(calls[1].method, 'POST');
});

for (const useGETForHashedQueries of [false, true]) {
  test(`registers a query by its hash, ${useGETForHashedQueries ? 'GET' : 'POST'}`, async () => {
    const query = gql`query Registered { me { fullName __typename } } # ${useGETForHashedQueries}`;
    const links = () => [
      new PersistedQueryLink({
        sha256: text => createHash('sha256').update(text + '').digest('hex'),
        useGETForHashedQueries,
      }),
    ];
    const first = apollo({ token: ada, links: links() });
    const { data } = await first.client.query({ query });
    assert.equal(data.me.fullName, 'Ada Lovelace');
    const second = apollo({ token: ada, links: links() });
    assert.equal((await second.client.query({ query })).data.me.fullName, 'Ada Lovelace');
    assert.equal(second.calls.length, 1);
    assert.equal(second.calls[0].method, useGETForHashedQueries ? 'GET' : 'POST');
    assert.ok(!`${second.calls[0].url}${second.calls[0].body}`.includes('fullName'), 'the text was sent');
  });
}
