import type { SupabaseClient } from '@supabase/supabase-js'
import { createClient, type Client } from 'graphql-ws'

/** How a browser talks to usergraph as the user who is signed in: over HTTP by fetch, and over a websocket. */
export type Connection = {
  url: string
  /** Sends the access token. Refreshes it once if the API says that it has expired, signs out if the session is gone. */
  fetch: typeof fetch
  /** For subscriptions. Opened by the first, closed soon after the last; comes back by itself, with a new token if need be. */
  socket: Client
}

/** The close codes of a socket: the token has expired, and the token will never be accepted. */
const expired = 4403
const refused = 4401

/** So long before its token expires a socket is opened anew, in milliseconds. */
const renewalMargin = 30_000
/** No socket is opened anew before so many milliseconds have passed, whatever this machine's clock says. */
const renewalPause = 30_000
/** So long a socket stays open without a subscription, since the next page or list may have one, in milliseconds. */
const idleTime = 3_000
/** The longest pause between two attempts to connect, in milliseconds. */
const longestPause = 10_000

/** For the browser. A server should not refresh sessions, since a refresh token works once. */
export function connect(supabase: SupabaseClient, url: string): Connection {
  return { url, fetch: authorizedFetch(supabase), socket: authorizedSocket(supabase, url) }
}

function authorizedFetch(supabase: SupabaseClient): typeof fetch {
  return async (input, init) => {
    const send = (token: string | undefined) => {
      const headers = new Headers(init?.headers)
      if (token) {
        headers.set('Authorization', `Bearer ${token}`)
      }
      return fetch(input, { ...init, headers })
    }
    const token = await currentToken(supabase)
    let answer = await send(token)
    if ((await refusal(answer)) === 'TOKEN_EXPIRED') {
      answer = await send(await newToken(supabase, token))
    }
    if ((await refusal(answer)) === 'SESSION_REVOKED') {
      await supabase.auth.signOut({ scope: 'local' })
    }
    return answer
  }
}

function authorizedSocket(supabase: SupabaseClient, url: string): Client {
  let token: string | undefined
  let mustRenew = false
  let renewal: ReturnType<typeof setTimeout>

  const socket = createClient({
    url: url.replace(/^http/, 'ws'),
    lazyCloseTimeout: idleTime,
    connectionParams: async () => {
      token = mustRenew ? await newToken(supabase, token) : await currentToken(supabase)
      return token ? { authorization: `Bearer ${token}` } : {}
    },
    // graphql-ws itself gives up after 4401, and else after five attempts.
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: retries => pause(Math.random() * Math.min(500 * 2 ** retries, longestPause)),
    on: {
      connected: (_, payload) => {
        mustRenew = false
        const { expiresAt } = (payload ?? {}) as { expiresAt?: number }
        if (expiresAt) {
          const rest = expiresAt * 1000 - Date.now() - renewalMargin
          renewal = setTimeout(reopen, Math.max(rest, renewalPause))
        }
      },
      closed: event => {
        clearTimeout(renewal)
        const { code, reason } = event as CloseEvent
        mustRenew ||= code === expired
        if (code === refused && reason.startsWith('SESSION_REVOKED')) {
          void supabase.auth.signOut({ scope: 'local' })
        }
      },
    },
  })
  // Only with a new token at hand: else the socket lives on until the API closes it.
  const reopen = () => newToken(supabase, token).then(socket.terminate, () => {})
  return socket
}

async function currentToken(supabase: SupabaseClient): Promise<string | undefined> {
  const { data, error } = await supabase.auth.getSession()
  if (error) {
    throw error
  }
  return data.session?.access_token
}

/** A token to use after another one, refreshed unless somebody else has done so. */
async function newToken(supabase: SupabaseClient, old: string | undefined): Promise<string | undefined> {
  const token = await currentToken(supabase)
  if (token !== old) {
    return token
  }
  const { data, error } = await supabase.auth.refreshSession()
  if (error) {
    throw error
  }
  return data.session?.access_token
}

/** The code of an answer that refuses the token, before any GraphQL has run. */
async function refusal(answer: Response): Promise<string | undefined> {
  if (answer.status !== 401) {
    return undefined
  }
  const body = await answer.clone().json().catch(() => undefined)
  return body?.errors?.[0]?.extensions?.code
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
