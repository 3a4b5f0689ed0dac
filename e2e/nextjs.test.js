import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startApp } from './nextjs.js';
import { startUsergraph } from './usergraph.js';

const ada = { email: 'ada@example.com', password: 'usergraph-dev' };

const name = page => page.getByRole('region', { name: 'Profile' }).getByRole('heading');
const seeName = (page, text) => name(page).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
const seeLive = page => page.getByText('Live', { exact: true }).waitFor();

async function saveName(page, text) {
  await page.getByLabel('Name').fill(text);
  await page.getByRole('button', { name: 'Save' }).click();
}

describe('examples/nextjs', () => {
  let server, app, browser, allowed;
  before(async () => {
    [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
    app = await startApp(server);
    allowed = [app.url, server.url, server.supabaseURL];
  });
  after(() => Promise.all([app?.stop(), browser?.close(), server?.stop()]));

  /** Opens a browser profile, in which a user is signed in if one is given. */
  async function open({ user, ...options } = {}) {
    const opened = await openPage(browser, allowed, options);
    opened.context.setDefaultTimeout(60_000);
    if (user) {
      await writeSession(opened.context, await authenticate('token?grant_type=password', user));
    }
    return opened;
  }

  /** Asks the stand-in for Supabase Auth for a session. */
  async function authenticate(path, body) {
    const answer = await fetch(`${server.supabaseURL}/auth/v1/${path}`, {
      method: 'POST',
      headers: { apikey: server.publishableKey, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
    return answer.json();
  }

  let users = 0;
  async function newUser(fullName) {
    const user = { email: `user${++users}@example.com`, password: 'correct horse battery' };
    await authenticate('signup', { ...user, data: { full_name: fullName } });
    return user;
  }

  /** The name as the API tells it, past all that the app may have in store. */
  async function storedName(user) {
    const { access_token: token } = await authenticate('token?grant_type=password', user);
    const answer = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: '{ me { fullName } }' }),
    });
    return (await answer.json()).data.me.fullName;
  }

  test('without a session, every page asks to sign in', async () => {
    const { page, close } = await open();
    for (const path of ['/', '/account', '/apollo', '/urql', '/fetch']) {
      await page.goto(app.url + path);
      await page.waitForURL('**/sign-in');
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    }
    await close();
  });

  test('signs up, shows the name on every page, signs out and in again', async () => {
    const { page, close } = await open();
    await page.goto(app.url);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Name').fill('Grace Hopper');
    await page.getByLabel('Email').fill('grace@example.com');
    await page.getByLabel('Password').fill('nanoseconds');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL('**/account');
    await seeName(page, 'Grace Hopper');
    for (const [link, path] of [['Apollo', '/apollo'], ['urql', '/urql'], ['fetch', '/fetch'], ['Server', '/account']]) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**${path}`);
      await seeName(page, 'Grace Hopper');
    }
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You have been signed out.').waitFor();
    await page.getByLabel('Email').fill('grace@example.com');
    await page.getByLabel('Password').fill('seconds');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: 'Invalid login credentials' }).waitFor();
    assert.equal(await page.getByLabel('Email').inputValue(), 'grace@example.com');
    await page.getByLabel('Password').fill('nanoseconds');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await seeName(page, 'Grace Hopper');
    // The browser itself notes each answer that is not a success.
    await close(/status of 400/);
  });

  test('an anonymous user has no name until they give one', async () => {
    const { page, close } = await open();
    await page.goto(`${app.url}/sign-in`);
    await page.getByRole('button', { name: 'Continue without an account' }).click();
    await seeName(page, 'No name yet');
    await page.getByText('Anonymous user').waitFor();
    await saveName(page, 'Somebody');
    await seeName(page, 'Somebody');
    await close();
  });

  test('the first HTML has the name and no token', async () => {
    const { context, close } = await open({ user: await newUser('Mary Shelley') });
    const session = await readSession(context);
    for (const path of ['/account', '/apollo', '/urql']) {
      const answer = await context.request.get(app.url + path);
      const html = await answer.text();
      assert.match(html, /<h2>Mary Shelley<\/h2>/, path);
      for (const secret of [session.access_token.split('.')[2], session.refresh_token, 'eyJ', 'base64-']) {
        assert.ok(!html.includes(secret), `${path} has ${secret}`);
      }
      assert.match(answer.headers()['cache-control'], /no-store/, path);
    }
    await close();
  });

  for (const path of ['/account', '/apollo', '/urql', '/fetch']) {
    test(`${path} changes the name`, async () => {
      const user = await newUser('Before');
      const { page, close } = await open({ user });
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      await saveName(page, 'After');
      await seeName(page, 'After');
      await page.getByText('Saved').waitFor();
      assert.equal(await storedName(user), 'After');
      await saveName(page, '');
      await seeName(page, 'No name yet');
      await page.getByText('Saved').waitFor();
      assert.equal(await storedName(user), null);
      await close();
    });
  }

  for (const [path, mutation] of [['/account', '/account'], ['/apollo', '/graphql'], ['/urql', '/graphql']]) {
    test(`${path} shows a change before it is confirmed, and takes it back if it fails`, async () => {
      const { page, close } = await open({ user: await newUser('Before') });
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      let confirm;
      const confirmed = new Promise(resolve => (confirm = resolve));
      const isMutation = url => url.pathname === mutation;
      await page.route(isMutation, async route => {
        if (route.request().method() === 'POST') {
          await confirmed;
        }
        await route.fallback();
      });
      await saveName(page, 'After');
      await seeName(page, 'After');
      assert.equal(await page.getByText('Saved').count(), 0);
      confirm();
      await page.getByText('Saved').waitFor();
      await seeName(page, 'After');
      await page.unroute(isMutation);

      // More than the 200 characters that the API takes.
      await page.getByLabel('Name').evaluate(input => input.removeAttribute('maxlength'));
      await saveName(page, 'x'.repeat(201));
      await page.getByRole('alert').filter({ hasText: /200/ }).waitFor();
      await seeName(page, 'After');
      assert.equal(await page.getByLabel('Name').inputValue(), 'x'.repeat(201));
      await close();
    });
  }

  test("two tabs, Apollo and urql, show each other's changes", async () => {
    const { page: apollo, context, close } = await open({ user: await newUser('Both') });
    const urql = await context.newPage();
    await Promise.all([apollo.goto(`${app.url}/apollo`), urql.goto(`${app.url}/urql`)]);
    for (const page of [apollo, urql]) {
      await seeLive(page);
      await seeName(page, 'Both');
    }
    await saveName(apollo, 'From Apollo');
    await seeName(urql, 'From Apollo');
    assert.equal(await urql.getByLabel('Name').inputValue(), 'From Apollo');
    await saveName(urql, 'From urql');
    await seeName(apollo, 'From urql');
    await close();
  });

  for (const path of ['/apollo', '/urql']) {
    test(`${path} heals when the API calls the token expired`, async () => {
      const { page, context, close } = await open({ user: ada });
      await page.goto(app.url + path);
      await seeLive(page);
      // As if this browser's clock were slow: the session still says that the token is good.
      const answer = await context.request.post(`${server.url}/dev/token`, { data: { identity: 'expired' } });
      const { token } = await answer.json();
      await writeSession(context, { ...(await readSession(context)), access_token: token });
      const statuses = [];
      page.on('response', response => {
        if (response.url() === `${server.url}/graphql` && response.request().postData()?.includes('UpdateMe')) {
          statuses.push(response.status());
        }
      });
      await saveName(page, `Ada on ${path}`);
      await page.getByText('Saved').waitFor();
      await seeName(page, `Ada on ${path}`);
      assert.deepEqual(statuses, [401, 200]);
      assert.notEqual((await readSession(context)).access_token, token);
      assert.equal(await page.getByRole('alert').filter({ hasText: /./ }).count(), 0);
      await close(/status of 401/);
    });
  }

  const save = page => page.getByRole('button', { name: 'Save' }).click();
  for (const [path, action, act] of [
    ['/account', 'saves', save],
    ['/account', 'reloads', page => page.reload()],
    ['/apollo', 'saves', save],
    ['/urql', 'saves', save],
  ]) {
    test(`${path}: whose session ended elsewhere and who ${action} is signed out`, async () => {
      const user = await newUser('Here');
      const here = await open({ user });
      await here.page.goto(app.url + path);
      await seeName(here.page, 'Here');
      const elsewhere = await open({ user });
      await elsewhere.page.goto(`${app.url}/fetch`);
      await elsewhere.page.getByRole('button', { name: 'Sign out on all devices' }).click();
      await elsewhere.page.getByText('You have been signed out.').waitFor();
      await elsewhere.close();
      await act(here.page);
      await here.page.getByText('You have been signed out.').waitFor();
      assert.equal(await readSession(here.context), undefined);
      await here.close(/status of 40[13]/);
    });
  }

  test('signing out in one tab signs out the others, and the next user sees their own', async () => {
    const { page, context, close } = await open({ user: await newUser('First') });
    const other = await context.newPage();
    await Promise.all([page.goto(`${app.url}/apollo`), other.goto(`${app.url}/urql`)]);
    await Promise.all([seeName(page, 'First'), seeName(other, 'First')]);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL('**/sign-in?ended');
    await other.waitForURL('**/sign-in?ended');
    const second = await newUser('Second');
    await page.getByLabel('Email').fill(second.email);
    await page.getByLabel('Password').fill(second.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/account');
    for (const link of ['Apollo', 'urql']) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**/${link.toLowerCase()}`);
      await seeName(page, 'Second');
    }
    await close();
  });

  for (const options of [
    { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  ]) {
    test(`accessible and not too wide: ${options.colorScheme}, ${options.viewport.width} pixels`, async () => {
      const { page, context, close } = await open(options);
      const check = async () => {
        await assertAccessible(page);
        const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(width <= room, `${page.url()} is ${width} pixels wide`);
      };
      await page.goto(`${app.url}/sign-in`);
      await check();
      const user = await newUser('Wolfeschlegelsteinhausenbergerdorff'.repeat(4));
      await writeSession(context, await authenticate('token?grant_type=password', user));
      for (const path of ['/account', '/apollo', '/urql', '/fetch']) {
        await page.goto(app.url + path);
        await name(page).waitFor();
        if (path === '/apollo' || path === '/urql') {
          await seeLive(page);
        }
        await check();
      }
      await close();
    });
  }

  // The last two: they restart the server.
  test('live pages heal when the server restarts', async () => {
    const { page: apollo, context, close } = await open({ user: await newUser('Steady') });
    const urql = await context.newPage();
    await Promise.all([apollo.goto(`${app.url}/apollo`), urql.goto(`${app.url}/urql`)]);
    await Promise.all([seeLive(apollo), seeLive(urql)]);
    const away = [apollo, urql].map(page => page.getByText('Connecting…').waitFor());
    await server.restart();
    await Promise.all(away);
    await Promise.all([seeLive(apollo), seeLive(urql)]);
    await saveName(apollo, 'Still here');
    await Promise.all([seeName(apollo, 'Still here'), seeName(urql, 'Still here')]);
    // While nobody listens, the browser notes each attempt.
    await close(/ERR_CONNECTION_REFUSED|WebSocket connection/);
  });

  test('a page stays live while token after token expires', async () => {
    await server.restart('--token-life', '3s');
    const { page: apollo, context, close } = await open({ user: await newUser('Lasting') });
    const tokens = [];
    apollo.on('websocket', socket =>
      socket.on('framesent', ({ payload }) => {
        const message = JSON.parse(payload);
        if (message.type === 'connection_init') {
          tokens.push(message.payload.authorization);
        }
      }),
    );
    // A browser whose clock is slow takes no token for expired. The API closes the socket; the page comes back.
    await context.clock.setSystemTime(Date.now() - 60 * 60 * 1000);
    await apollo.goto(`${app.url}/apollo`);
    while (tokens.length < 3) {
      await seeLive(apollo);
      await apollo.getByText('Connecting…').waitFor();
    }
    assert.equal(new Set(tokens).size, tokens.length, 'each socket has a token of its own');
    await seeLive(apollo);
    const urql = await context.newPage();
    await urql.goto(`${app.url}/urql`);
    await seeLive(urql);
    await saveName(apollo, 'Everlasting');
    await seeName(urql, 'Everlasting');
    await close(/status of 401/);
  });
});

// The cookie of @supabase/ssr for a project whose host begins with 127. Long ones are cut into several.
const cookieName = 'sb-127-auth-token';
const ofSession = ({ name }) => name === cookieName || name.startsWith(`${cookieName}.`);

/** The session in the cookies of a profile, or undefined. */
async function readSession(context) {
  const cookies = (await context.cookies()).filter(ofSession).sort((a, b) => a.name.localeCompare(b.name));
  const value = cookies.map(({ value }) => value).join('');
  return value ? JSON.parse(Buffer.from(value.slice('base64-'.length), 'base64url')) : undefined;
}

async function writeSession(context, session) {
  const value = `base64-${Buffer.from(JSON.stringify(session)).toString('base64url')}`;
  for (const { name } of (await context.cookies()).filter(ofSession)) {
    await context.clearCookies({ name });
  }
  await context.addCookies([{ name: cookieName, value, domain: '127.0.0.1', path: '/', sameSite: 'Lax' }]);
}
