import { cacheExchange, Client, fetchExchange, ssrExchange, subscriptionExchange, type SSRData } from 'urql'
import type { Connection } from './connection'

/** An urql client that asks as the user: subscriptions over the websocket, the rest over HTTP. */
export function usergraphClient({ url, fetch, socket }: Connection, initialState?: SSRData): Client {
  return new Client({
    url,
    fetch,
    preferGetMethod: false,
    exchanges: [
      cacheExchange,
      ssrExchange({ initialState }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: sink => ({ unsubscribe: socket.subscribe({ query: query ?? '', variables }, sink) }),
        }),
      }),
    ],
  })
}
