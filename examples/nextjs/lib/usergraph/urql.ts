import { Client, fetchExchange, subscriptionExchange, type Exchange } from 'urql'
import type { Connection } from './connection'

/**
 * An urql client that asks as the user: subscriptions over the websocket, the rest over HTTP. The exchanges are those
 * that come before the network, such as a cache.
 */
export function usergraphClient({ url, fetch, socket }: Connection, exchanges: Exchange[]): Client {
  return new Client({
    url,
    fetch,
    preferGetMethod: false,
    exchanges: [
      ...exchanges,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: sink => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  })
}
