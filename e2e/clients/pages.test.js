import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { Client, fetchExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { createClient } from 'graphql-ws';
import { filter, firstValueFrom } from 'rxjs';
import WebSocket from 'ws';

import { tokenOf } from './ask.js';
import { startTestAPI } from '../usergraph.js';

const titles = Array.from({ length: 7 }, (_, i) => `todo ${i + 1}`);
const newestFirst = titles.toReversed();

let server, ada;
before(async () => {
  server = await startTestAPI();
  ada = await tokenOf(server, 'ada@example.com');
  for (const title of titles) {
    await addTodo(title);
  }
});
after(() => server?.stop());

/** Asks as Ada, over a connection of its own. */
async function ask(query, variables) {
  const answer = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${ada}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  assert.equal(errors, undefined);
  return data;
}

async function addTodo(title) {
  return (await ask('mutation($input: CreateTodoInput!) { createTodo(input: $input) { id } }', { input: { title } })).createTodo.id;
}

const TODOS = `query Todos($first: Int, $after: String) {
  todos(first: $first, after: $after) { edges { cursor node { id title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
}`;

const titlesOf = ({ edges }) => edges.map(({ node }) => node.title);

describe("Apollo's relayStylePagination", () => {
  const cache = () => new InMemoryCache({ typePolicies: { Query: { fields: { todos: relayStylePagination(['filter', 'orderBy']) } } } });
  const apollo = link => new ApolloClient({ cache: cache(), link });
  const http = () => new HttpLink({ uri: `${server.url}/graphql`, headers: { Authorization: `Bearer ${ada}` } });

  test('fetchMore appends three pages to one list, and ends', async () => {
    const client = apollo(http());
    const page = { query: gql(TODOS), variables: { first: 3 } };
    await client.query(page);
    const todos = client.watchQuery(page);
    const subscription = todos.subscribe({});
    const lists = [];
    for (;;) {
      const shown = lists.at(-1)?.length ?? 0;
      const list = (await firstValueFrom(todos.pipe(filter(({ data }) => data?.todos?.edges.length > shown)))).data.todos;
      lists.push(titlesOf(list));
      if (!list.pageInfo.hasNextPage) {
        break;
      }
      const { data } = await todos.fetchMore({ variables: { after: list.pageInfo.endCursor } });
      assert.ok(data.todos.edges.length <= 3);
    }
    assert.deepEqual(lists, [newestFirst.slice(0, 3), newestFirst.slice(0, 6), newestFirst]);
    // The cache has the list as one, for whatever part is asked for.
    const cached = client.readQuery(page);
    assert.deepEqual(titlesOf(cached.todos), newestFirst);
    assert.equal(cached.todos.pageInfo.hasNextPage, false);
    subscription.unsubscribe();
    client.stop();
  });

  test('a live list over a websocket: what another connection adds arrives, and a change reaches the cache of pages', async () => {
    const socket = createClient({
      url: server.url.replace('http', 'ws') + '/graphql', webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${ada}` },
    });
    const link = ApolloLink.split(({ operationType }) => operationType === 'subscription', new GraphQLWsLink(socket), http());
    const client = apollo(link);
    await client.query({ query: gql(TODOS), variables: { first: 3 } });
    const arrived = [];
    let wake = () => {};
    const subscription = client.subscribe({ query: gql`subscription { todos(first: 2) { nodes { id title } } }` }).subscribe({
      next: result => { arrived.push(result); wake(); },
      error: error => { arrived.push({ error }); wake(); },
    });
    const until = async expected => {
      for (;;) {
        const result = arrived.shift();
        if (!result) {
          await new Promise(resolve => { wake = resolve; });
          continue;
        }
        assert.equal(result.error, undefined);
        const list = result.data.todos.nodes.map(({ title }) => title);
        if (list.join() === expected.join()) {
          return;
        }
      }
    };
    await until(newestFirst.slice(0, 2));
    const id = await addTodo('added elsewhere');
    await until(['added elsewhere', newestFirst[0]]);
    await ask('mutation($id: ID!) { updateTodo(id: $id, input: { title: "changed elsewhere" }) { id } }', { id });
    await until(['changed elsewhere', newestFirst[0]]);
    const cached = client.readFragment({ id: `Todo:${id}`, fragment: gql`fragment Title on Todo { title }` });
    assert.equal(cached.title, 'changed elsewhere');
    await ask('mutation($id: ID!) { deleteTodo(id: $id) { id } }', { id });
    await until(newestFirst.slice(0, 2));
    subscription.unsubscribe();
    client.stop();
    await socket.dispose();
  });
});

test("urql's relayPagination joins three pages, and ends", async () => {
  const urql = new Client({
    url: `${server.url}/graphql`,
    fetchOptions: { headers: { Authorization: `Bearer ${ada}` } },
    preferGetMethod: false,
    exchanges: [
      cacheExchange({
        // Pages and their parts have no id.
        keys: { TodoConnection: () => null, TodoEdge: () => null, PageInfo: () => null },
        resolvers: { Query: { todos: relayPagination() } },
      }),
      fetchExchange,
    ],
  });
  const lists = [];
  for (let after; ; ) {
    const { data, error } = await urql.query(TODOS, { first: 3, after });
    assert.equal(error, undefined);
    lists.push(titlesOf(data.todos));
    if (!data.todos.pageInfo.hasNextPage) {
      break;
    }
    after = data.todos.pageInfo.endCursor;
  }
  assert.deepEqual(lists, [newestFirst.slice(0, 3), newestFirst.slice(0, 6), newestFirst]);
});
