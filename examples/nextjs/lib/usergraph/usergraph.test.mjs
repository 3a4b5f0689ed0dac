// npm test: against a real `usergraph dev`, with real sessions of supabase-js.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { createClient } from '@supabase/supabase-js'
import { cacheExchange } from 'urql'
import { startUsergraph } from '../../../../e2e/usergraph.js'
import { usergraphLink } from './apollo.ts'
import { connect } from './connection.ts'
import { usergraphClient } from './urql.ts'

let usergraph
before(async () => (usergraph = await startUsergraph()))
after(() => usergraph?.stop())

/** A browser: its session is in a store, and what it hears of it in events. */
function open() {
  const store = new Map()
  const supabase = createClient(usergraph.supabaseURL, usergraph.publishableKey, {
    auth: {
      autoRefreshToken: false,
      storage: { getItem: key => store.get(key) ?? null, setItem: (key, value) => store.set(key, value), removeItem: key => store.delete(key) },
    },
  })
  const events = []
  supabase.auth.onAuthStateChange(event => events.push(event))
  const connection = connect(supabase, `${usergraph.url}/graphql`)
  return {
    ...connection,
    supabase,
    events,
    async ask(query, variables) {
      const answer = await connection.fetch(connection.url, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query, variables }),
      })
      return { status: answer.status, ...(await answer.json()) }
    },
    /** As if the clock were slow: the token has expired, and the session says that it has not. */
    async expire() {
      const answer = await fetch(`${usergraph.url}/dev/token`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ identity: 'expired' }),
      })
      const { token } = await answer.json()
      const [key] = store.keys()
      store.set(key, JSON.stringify({ ...JSON.parse(store.get(key)), access_token: token }))
      return token
    },
    /** Subscribes, and returns what comes, one after the other. */
    subscribe(query) {
      return connection.socket.iterate({ query })
    },
    token: async () => (await supabase.auth.getSession()).data.session?.access_token,
  }
}

let users = 0
async function newUser(name) {
  const browser = open()
  const credentials = { email: `lib${++users}@example.com`, password: 'correct horse battery' }
  const { error } = await browser.supabase.auth.signUp({ ...credentials, options: { data: { full_name: name } } })
  assert.ifError(error)
  return { ...browser, credentials }
}

const rename = (browser, fullName) => browser.ask('mutation($fullName: String) { updateMe(input: { fullName: $fullName }) { id } }', { fullName })
const nextName = async states => (await states.next()).value?.data.me.fullName

describe('fetch', () => {
  test('asks as the user, and without a session as nobody', async () => {
    const browser = await newUser('Ada')
    assert.equal((await browser.ask('{ me { fullName } }')).data.me.fullName, 'Ada')
    const { data, errors } = await open().ask('{ me { fullName } }')
    assert.deepEqual([data.me, errors[0].extensions.code], [null, 'UNAUTHENTICATED'])
  })

  test('refreshes a session whose token has expired, once for all requests, and repeats them', async () => {
    const browser = await newUser('Ada')
    const expired = await browser.expire()
    const answers = await Promise.all([1, 2, 3].map(() => browser.ask('{ me { fullName } }')))
    assert.deepEqual(answers.map(({ status, data }) => [status, data.me.fullName]), Array(3).fill([200, 'Ada']))
    assert.notEqual(await browser.token(), expired)
    assert.equal(browser.events.filter(event => event === 'TOKEN_REFRESHED').length, 1)
  })

  test('signs out when the session has ended elsewhere', async () => {
    const [here, elsewhere] = [await newUser('Ada'), open()]
    await elsewhere.supabase.auth.signInWithPassword(here.credentials)
    await elsewhere.supabase.auth.signOut({ scope: 'global' })
    const { status, errors } = await here.ask('{ me { fullName } }')
    assert.deepEqual([status, errors[0].extensions.code], [401, 'SESSION_REVOKED'])
    assert.equal(here.events.at(-1), 'SIGNED_OUT')
    assert.equal(await here.token(), undefined)
  })
})

describe('socket', () => {
  const watchName = 'subscription { me { fullName } }'

  test('brings the present state and changes, and serves the next subscription too', async () => {
    const browser = await newUser('Ada')
    let sockets = 0
    browser.socket.on('connected', () => sockets++)
    for (const name of ['Grace', 'Mary']) {
      const states = browser.subscribe(watchName)
      await nextName(states)
      await rename(browser, name)
      assert.equal(await nextName(states), name)
      await states.return()
    }
    assert.equal(sockets, 1)
    await browser.socket.dispose()
  })

  test('connects again with a new token when its own has expired', async () => {
    const browser = await newUser('Ada')
    const expired = await browser.expire()
    const closed = []
    browser.socket.on('closed', ({ code }) => closed.push(code))
    assert.equal(await nextName(browser.subscribe(watchName)), 'Ada')
    assert.deepEqual(closed, [4403])
    assert.notEqual(await browser.token(), expired)
    await browser.socket.dispose()
  })

  test('comes back when the server does, with the present state', async () => {
    const browser = await newUser('Ada')
    const states = browser.subscribe(watchName)
    assert.equal(await nextName(states), 'Ada')
    await usergraph.restart()
    assert.equal(await nextName(states), 'Ada')
    await browser.socket.dispose()
  })

  test('ends with its session, and signs out', async () => {
    const [here, elsewhere] = [await newUser('Ada'), open()]
    const states = here.subscribe(watchName)
    assert.equal(await nextName(states), 'Ada')
    await elsewhere.supabase.auth.signInWithPassword(here.credentials)
    await elsewhere.supabase.auth.signOut({ scope: 'global' })
    await assert.rejects(states.next(), ({ code, reason }) => code === 4401 && reason.startsWith('SESSION_REVOKED'))
    while (here.events.at(-1) !== 'SIGNED_OUT') {
      await new Promise(setImmediate)
    }
    assert.equal(await here.token(), undefined)
  })
})

test("Apollo's link and urql's client ask, change and watch as the user", async () => {
  const browser = await newUser('Ada')
  const apollo = new ApolloClient({ cache: new InMemoryCache(), link: usergraphLink(browser) })
  const urql = usergraphClient(browser, [cacheExchange])
  const seen = { apollo: [], urql: [] }
  const watch = gql('subscription { me { id fullName } }')
  const stops = [
    apollo.subscribe({ query: watch }).subscribe(({ data }) => seen.apollo.push(data.me.fullName)),
    urql.subscription(watch, {}).subscribe(({ data }) => seen.urql.push(data.me.fullName)),
  ]
  const both = async name => {
    while (seen.apollo.at(-1) !== name || seen.urql.at(-1) !== name) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  await both('Ada')
  const change = gql('mutation($fullName: String) { updateMe(input: { fullName: $fullName }) { id fullName } }')
  assert.equal((await apollo.mutate({ mutation: change, variables: { fullName: 'Grace' } })).data.updateMe.fullName, 'Grace')
  await both('Grace')
  assert.equal((await urql.mutation(change, { fullName: 'Mary' })).data.updateMe.fullName, 'Mary')
  await both('Mary')
  const query = gql('{ me { id fullName } }')
  assert.equal((await apollo.query({ query, fetchPolicy: 'network-only' })).data.me.fullName, 'Mary')
  assert.equal((await urql.query(query, {})).data.me.fullName, 'Mary')
  stops.forEach(stop => stop.unsubscribe())
  apollo.stop()
  await browser.socket.dispose()
})
