import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, subscriptionExchange } from '@urql/core';
import { createClient as createSSEClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { startServe, startUsergraph } from '../usergraph.js';

const watchName = 'subscription { me { fullName } }';

let dev;
before(async () => { dev = await startUsergraph(); });
after(() => dev?.stop());

/** A token for a user, which lives so many seconds. */
async function token(user = 'ada@example.com', expiresIn = 3600) {
  const answer = await fetch(`${dev.url}/dev/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user, expiresIn }),
  });
  return (await answer.json()).token;
}

/** Changes Ada's name through a server. */
async function rename(fullName, url = dev.url) {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await token()}` },
    body: JSON.stringify({ query: 'mutation($input: UpdateMeInput!) { updateMe(input: $input) { fullName } }', variables: { input: { fullName } } }),
  });
  assert.deepEqual(await answer.json(), { data: { updateMe: { fullName } } });
}

/** What arrives, in order: take() waits for the next, until() for the next that satisfies a condition. */
function inbox() {
  const arrived = [];
  const waiting = [];
  const put = item => (waiting.length ? waiting.shift()(item) : arrived.push(item));
  const take = async () => (arrived.length ? arrived.shift() : new Promise(resolve => waiting.push(resolve)));
  const until = async condition => {
    for (;;) {
      const item = await take();
      if (condition(item)) {
        return item;
      }
    }
  };
  return { put, take, until };
}

const named = name => item => item.next?.data?.me?.fullName === name;

/** A graphql-ws client with one subscription, whose events go into an inbox. */
function watch(url, connectionParams, options = {}) {
  const events = inbox();
  const client = createClient({
    url: url.replace('http', 'ws') + '/graphql',
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    ...options,
    on: {
      connected: (_, payload) => events.put({ connected: payload }),
      closed: event => events.put({ closed: event.code, reason: event.reason }),
    },
  });
  client.subscribe({ query: watchName }, {
    next: next => events.put({ next }),
    error: error => events.put({ error }),
    complete: () => events.put({ complete: true }),
  });
  return { client, ...events };
}

describe('graphql-ws', () => {
  test('a good token: the present state, every change, and only the end of the token in the ack', async () => {
    const rawToken = await token();
    await rename('Ada Lovelace');
    const { client, take, until } = watch(dev.url, { authorization: `Bearer ${rawToken}` });
    const { exp } = JSON.parse(Buffer.from(rawToken.split('.')[1], 'base64url'));
    assert.deepEqual(await take(), { connected: { expiresAt: exp } });
    assert.deepEqual(await take(), { next: { data: { me: { fullName: 'Ada Lovelace' } } } });
    for (const name of ['Ada', 'Ada King', 'Ada Lovelace']) {
      await rename(name);
      assert.deepEqual(await take(), { next: { data: { me: { fullName: name } } } });
    }
    await client.dispose();
    assert.equal((await until(event => event.closed)).closed, 1000);
  });

  test('queries and mutations go over the same socket', async () => {
    const client = createClient({
      url: dev.url.replace('http', 'ws') + '/graphql', webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${await token()}` },
    });
    const results = [];
    for await (const result of client.iterate({ query: 'mutation { updateMe(input: { fullName: "Ada Lovelace" }) { fullName } }' })) {
      results.push(result);
    }
    for await (const result of client.iterate({ query: '{ me { fullName email } }' })) {
      results.push(result);
    }
    assert.deepEqual(results, [
      { data: { updateMe: { fullName: 'Ada Lovelace' } } },
      { data: { me: { fullName: 'Ada Lovelace', email: 'ada@example.com' } } },
    ]);
    await client.dispose();
  });

  for (const [name, connectionParams, code, reason] of [
    ['altered', async () => ({ authorization: `Bearer ${(await token()).slice(0, -8)}AAAAAAAA` }), 4401, /^TOKEN_INVALID: /],
    ['nonsense', () => ({ authorization: 'Bearer nonsense' }), 4401, /^TOKEN_INVALID: /],
    ['expired', async () => ({ authorization: `Bearer ${await token('ada@example.com', -60)}` }), 4403, /^TOKEN_EXPIRED: /],
  ]) {
    test(`a token that is ${name} closes the socket`, async () => {
      const { until } = watch(dev.url, connectionParams);
      const closed = await until(event => event.closed);
      assert.equal(closed.closed, code);
      assert.match(closed.reason, reason);
    });
  }

  test('a bad token is fatal: the client does not come back', async () => {
    const { until } = watch(dev.url, { authorization: 'Bearer nonsense' }, { retryAttempts: 1000 });
    await until(event => event.closed === 4401);
    assert.equal((await until(event => event.error)).error.code, 4401);
  });

  test('no token: connected, but not to what needs one', async () => {
    const { client, take } = watch(dev.url, undefined);
    assert.deepEqual(await take(), { connected: undefined });
    const { error } = await take();
    assert.equal(error[0].extensions.code, 'UNAUTHENTICATED');
    await client.dispose();
  });

  test('the token expires in mid-stream, and the client goes on with a new one', async () => {
    await rename('Ada Lovelace');
    let connections = 0;
    const { client, take, until } = watch(dev.url, async () => ({
      authorization: `Bearer ${await token('ada@example.com', connections++ === 0 ? 1 : 3600)}`,
    }), { retryAttempts: 5, retryWait: () => sleep(10) });
    await until(named('Ada Lovelace'));
    const closed = await until(event => event.closed);
    assert.equal(closed.closed, 4403);
    assert.match(closed.reason, /^TOKEN_EXPIRED: /);
    await until(named('Ada Lovelace'));
    await rename('Ada King');
    assert.deepEqual(await take(), { next: { data: { me: { fullName: 'Ada King' } } } });
    assert.equal(connections, 2);
    await client.dispose();
  });

  test('two servers on one database, one of which restarts', async () => {
    const port = await freePort();
    let other = await startServe(dev, { PORT: String(port) });
    const { client, until } = watch(other.url, async () => ({ authorization: `Bearer ${await token()}` }), { retryAttempts: 10_000, retryWait: () => sleep(50), shouldRetry: () => true });
    await rename('Ada here');
    await until(named('Ada here'));
    await rename('Ada there', other.url);
    await until(named('Ada there'));
    await other.stop();
    assert.equal((await until(event => event.closed)).closed, 1001);
    await rename('Ada meanwhile');
    other = await startServe(dev, { PORT: String(port) });
    await until(named('Ada meanwhile'));
    await rename('Ada again');
    await until(named('Ada again'));
    await client.dispose();
    await other.stop();
  });
});

describe('graphql-sse', () => {
  test('the present state, and every change', async () => {
    await rename('Ada Lovelace');
    const client = createSSEClient({ url: `${dev.url}/graphql`, headers: { Authorization: `Bearer ${await token()}` } });
    const results = client.iterate({ query: watchName });
    assert.deepEqual((await results.next()).value, { data: { me: { fullName: 'Ada Lovelace' } } });
    await rename('Ada King');
    assert.deepEqual((await results.next()).value, { data: { me: { fullName: 'Ada King' } } });
    await results.return();
    client.dispose();
  });

  test('the end of the token is an event, then the stream is complete', async () => {
    const client = createSSEClient({ url: `${dev.url}/graphql`, headers: { Authorization: `Bearer ${await token('ada@example.com', 1)}` } });
    const results = [];
    for await (const result of client.iterate({ query: watchName })) {
      results.push(result);
    }
    assert.equal(results.length, 2);
    assert.equal(results[1].errors[0].extensions.code, 'TOKEN_EXPIRED');
    client.dispose();
  });

  test('a bad token is 401', async () => {
    const client = createSSEClient({ url: `${dev.url}/graphql`, headers: { Authorization: 'Bearer nonsense' }, retryAttempts: 0 });
    await assert.rejects(client.iterate({ query: watchName }).next(), error => error.response.status === 401);
    client.dispose();
  });

  test('a query', async () => {
    await rename('Ada Lovelace');
    const client = createSSEClient({ url: `${dev.url}/graphql`, headers: { Authorization: `Bearer ${await token()}` } });
    const results = [];
    for await (const result of client.iterate({ query: '{ me { fullName } }' })) {
      results.push(result);
    }
    assert.deepEqual(results, [{ data: { me: { fullName: 'Ada Lovelace' } } }]);
    client.dispose();
  });
});

test("Apollo's GraphQLWsLink", async () => {
  await rename('Ada Lovelace');
  const socket = createClient({
    url: dev.url.replace('http', 'ws') + '/graphql', webSocketImpl: WebSocket, connectionParams: async () => ({ authorization: `Bearer ${await token()}` }),
  });
  const apollo = new ApolloClient({ cache: new InMemoryCache(), link: new GraphQLWsLink(socket) });
  const events = inbox();
  const subscription = apollo.subscribe({ query: gql`subscription { me { id fullName } }` }).subscribe({ next: events.put, error: error => events.put({ error }) });
  assert.equal((await events.take()).data.me.fullName, 'Ada Lovelace');
  await rename('Ada King');
  assert.equal((await events.take()).data.me.fullName, 'Ada King');
  const cached = apollo.readFragment({ id: 'User:a0000000-0000-4000-8000-000000000001', fragment: gql`fragment Name on User { fullName }` });
  assert.equal(cached.fullName, 'Ada King');
  subscription.unsubscribe();
  apollo.stop();
  await socket.dispose();
});

test("urql's subscriptionExchange, over a websocket and over events", async () => {
  const socket = createClient({
    url: dev.url.replace('http', 'ws') + '/graphql', webSocketImpl: WebSocket, connectionParams: async () => ({ authorization: `Bearer ${await token()}` }),
  });
  const rawToken = await token();
  const events = createSSEClient({ url: `${dev.url}/graphql`, headers: { Authorization: `Bearer ${rawToken}` } });
  for (const transport of [socket, events]) {
    await rename('Ada Lovelace');
    const urql = new Client({
      url: `${dev.url}/graphql`,
      preferGetMethod: false,
      exchanges: [subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: sink => ({ unsubscribe: transport.subscribe({ query, variables }, sink) }),
        }),
      })],
    });
    const arrived = inbox();
    const { unsubscribe } = urql.subscription(watchName, {}).subscribe(arrived.put);
    assert.equal((await arrived.take()).data.me.fullName, 'Ada Lovelace');
    await rename('Ada King');
    assert.equal((await arrived.take()).data.me.fullName, 'Ada King');
    unsubscribe();
  }
  events.dispose();
  await socket.dispose();
});

test('a subscription that would lose its events is refused, with a hint', async () => {
  for (const accept of ['application/json', 'multipart/mixed;subscriptionSpec=1.0, application/graphql-response+json, application/json']) {
    const answer = await fetch(`${dev.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: accept, Authorization: `Bearer ${await token()}` },
      body: JSON.stringify({ query: watchName }),
    });
    const { errors } = await answer.json();
    assert.equal(errors[0].extensions.code, 'BAD_REQUEST');
    assert.match(errors[0].message, /websocket/);
  }
});

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
