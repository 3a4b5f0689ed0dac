import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startApp } from './nextjs.js';
import { startUsergraph } from './usergraph.js';

const password = 'correct horse battery';
const ada = { email: 'ada@example.com', password: 'usergraph-dev' };

const name = page => page.getByRole('region', { name: 'Profile' }).getByRole('heading');
const seeName = (page, text) => name(page).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
const seeLive = page => page.getByText('Live', { exact: true }).waitFor();

async function saveName(page, text) {
  await page.getByLabel('Name').fill(text);
  await page.getByRole('button', { name: 'Save' }).click();
}

/** Counts the browser's requests to the API by their status. */
function countAnswers(page) {
  const counts = {};
  page.on('response', response => {
    if (new URL(response.url()).pathname === '/graphql' && response.request().method() === 'POST') {
      counts[response.status()] = (counts[response.status()] ?? 0) + 1;
    }
  });
  return counts;
}

describe('examples/nextjs', () => {
  let server, app, browser, allowed;
  before(async () => {
    [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
    app = await startApp(server);
    allowed = [app.url, server.url, server.supabaseURL];
  });
  after(() => Promise.all([app?.stop(), browser?.close(), server?.stop()]));

  const open = options => openPage(browser, allowed, options);

  let users = 0;
  /** Creates an account and arrives at the page of the server component. */
  async function signUp(page, fullName) {
    const email = `user${++users}@example.com`;
    await page.goto(`${app.url}/sign-in`);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Name').fill(fullName);
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL('**/account');
    return { email, password };
  }

  async function signIn(page, { email, password }) {
    await page.goto(`${app.url}/sign-in`);
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/account');
  }

  /** What another device reads of a user: not from any cache of the page. */
  async function storedName({ email, password }) {
    const { page, close } = await open();
    await signIn(page, { email, password });
    const text = await name(page).textContent();
    await close();
    return text;
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

  test('a wrong password is told, and the address stays', async () => {
    const { page, close } = await open();
    await page.goto(`${app.url}/sign-in`);
    await page.getByLabel('Email').fill(ada.email);
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: 'Invalid login credentials' }).waitFor();
    assert.equal(await page.getByLabel('Email').inputValue(), ada.email);
    await close(/status of 400/);
  });

  test('signs up, and shows the name on every page', async () => {
    const { page, close } = await open();
    await signUp(page, 'Grace Hopper');
    await seeName(page, 'Grace Hopper');
    for (const [link, path] of [['Apollo', '/apollo'], ['urql', '/urql'], ['fetch', '/fetch'], ['Server', '/account']]) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**${path}`);
      await seeName(page, 'Grace Hopper');
    }
    await close();
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
    const { page, context, close } = await open();
    await signUp(page, 'Mary Shelley');
    const session = await sessionOf(context);
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
      const { page, close } = await open();
      const user = await signUp(page, 'Before');
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      await saveName(page, 'After');
      await seeName(page, 'After');
      await page.getByText('Saved').waitFor();
      assert.equal(await storedName(user), 'After');
      await saveName(page, '');
      await seeName(page, 'No name yet');
      await page.getByText('Saved').waitFor();
      await page.reload();
      await seeName(page, 'No name yet');
      await close();
    });
  }

  for (const [path, mutation] of [['/account', '/account'], ['/apollo', '/graphql'], ['/urql', '/graphql']]) {
    test(`${path} shows a change before it is confirmed, and takes it back if it fails`, async () => {
      const { page, close } = await open();
      await signUp(page, 'Before');
      await page.goto(app.url + path);
      await seeName(page, 'Before');
      if (path !== '/account') {
        await seeLive(page);
      }
      let release;
      const released = new Promise(resolve => (release = resolve));
      const held = url => url.pathname === mutation;
      await page.route(held, async route => {
        if (route.request().method() !== 'POST') {
          return route.fallback();
        }
        await released;
        await route.continue();
      });
      await saveName(page, 'After');
      await seeName(page, 'After');
      assert.equal(await page.getByText('Saved').count(), 0);
      release();
      await page.getByText('Saved').waitFor();
      await seeName(page, 'After');
      await page.unroute(held);

      // More than the 200 characters that the API takes.
      await page.getByLabel('Name').evaluate(input => input.removeAttribute('maxlength'));
      await saveName(page, 'x'.repeat(201));
      await page.getByRole('alert').filter({ hasText: /200/ }).waitFor();
      await seeName(page, 'After');
      assert.equal(await page.getByLabel('Name').inputValue(), 'x'.repeat(201));
      await close();
    });
  }

  test('two tabs, Apollo and urql, show each other\'s changes', async () => {
    const { page: apollo, context, close } = await open();
    await signUp(apollo, 'Both');
    await apollo.goto(`${app.url}/apollo`);
    const urql = await context.newPage();
    await urql.goto(`${app.url}/urql`);
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
      const { page, context, close } = await open();
      await signIn(page, ada);
      await page.goto(app.url + path);
      await seeLive(page);
      const before = await expireToken(context, server);
      const answers = countAnswers(page);
      await saveName(page, `Ada by ${path}`);
      await page.getByText('Saved').waitFor();
      await seeName(page, `Ada by ${path}`);
      assert.equal(answers[401], 1, 'one answer refused the token');
      const { access_token: token } = await sessionOf(context);
      assert.notEqual(token, before);
      assert.equal(await page.getByText(/expired/).count(), 0);
      // The browser itself notes each answer that is not a success.
      await close(/status of 401/);
    });
  }

  test('a session that ended elsewhere ends here', async () => {
    for (const [path, act] of [
      ['/account', page => page.getByRole('button', { name: 'Save' }).click()],
      ['/account', page => page.reload()],
      ['/apollo', page => page.getByRole('button', { name: 'Save' }).click()],
      ['/urql', page => page.getByRole('button', { name: 'Save' }).click()],
    ]) {
      const here = await open();
      const user = await signUp(here.page, 'Here');
      await here.page.goto(app.url + path);
      await seeName(here.page, 'Here');
      const elsewhere = await open();
      await signIn(elsewhere.page, user);
      await elsewhere.page.getByRole('button', { name: 'Sign out on all devices' }).click();
      await elsewhere.page.waitForURL('**/sign-in?ended');
      await act(here.page);
      await here.page.waitForURL('**/sign-in?ended');
      await here.page.getByText('You have been signed out.').waitFor();
      assert.equal(await sessionOf(here.context), undefined);
      await elsewhere.close();
      await here.close(/status of 40[13]/);
    }
  });

  test('signing out in one tab signs out the others, and the next user sees their own', async () => {
    const { page, context, close } = await open();
    await signUp(page, 'First');
    await page.goto(`${app.url}/apollo`);
    await seeName(page, 'First');
    const other = await context.newPage();
    await other.goto(`${app.url}/urql`);
    await seeName(other, 'First');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL('**/sign-in?ended');
    await other.waitForURL('**/sign-in?ended');
    await signUp(page, 'Second');
    for (const link of ['Apollo', 'urql', 'fetch']) {
      await page.getByRole('link', { name: link }).click();
      await page.waitForURL(`**/${link.toLowerCase()}`);
      await seeName(page, 'Second');
    }
    await close();
  });

  for (const options of [
    { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'light', viewport: { width: 360, height: 740 } },
    { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  ]) {
    test(`accessible and not too wide: ${options.colorScheme}, ${options.viewport.width} pixels`, async () => {
      const { page, close } = await open(options);
      const check = async () => {
        await assertAccessible(page);
        const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(width <= room, `${page.url()} is ${width} pixels wide`);
      };
      await page.goto(`${app.url}/sign-in`);
      await check();
      await page.getByRole('button', { name: 'Continue without an account' }).click();
      await page.waitForURL('**/account');
      await saveName(page, 'Wolfeschlegelsteinhausenbergerdorff '.repeat(5).trim());
      await page.getByText('Saved').waitFor();
      await check();
      for (const path of ['/apollo', '/urql', '/fetch']) {
        await page.goto(app.url + path);
        await name(page).waitFor();
        if (path !== '/fetch') {
          await seeLive(page);
        }
        await check();
      }
      await close();
    });
  }

  // The last: they restart the server.
  test('live pages heal when the server restarts', async () => {
    const { page: apollo, context, close } = await open();
    await signUp(apollo, 'Steady');
    await apollo.goto(`${app.url}/apollo`);
    const urql = await context.newPage();
    await urql.goto(`${app.url}/urql`);
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
    const { page: apollo, context, close } = await open();
    const tokens = [];
    apollo.on('websocket', socket =>
      socket.on('framesent', ({ payload }) => {
        const message = JSON.parse(payload);
        if (message.type === 'connection_init') {
          tokens.push(message.payload.authorization);
        }
      }),
    );
    await signUp(apollo, 'Lasting');
    // A browser whose clock is slow takes no token for expired. The API closes the socket; the page comes back.
    await context.clock.setSystemTime(Date.now() - 60 * 60 * 1000);
    await apollo.goto(`${app.url}/apollo`);
    await seeLive(apollo);
    while (tokens.length < 3) {
      await apollo.getByText('Connecting…').waitFor();
      await seeLive(apollo);
    }
    assert.equal(new Set(tokens).size, tokens.length, 'each socket has a token of its own');
    const urql = await context.newPage();
    await urql.goto(`${app.url}/urql`);
    await seeLive(urql);
    await saveName(apollo, 'Everlasting');
    await seeName(urql, 'Everlasting');
    await close(/status of 401/);
  });
});

const cookieName = 'sb-127-auth-token';

/** The session in the cookies of a profile, as @supabase/ssr writes it, or undefined. */
async function sessionOf(context) {
  const cookies = await context.cookies();
  const value = cookies
    .filter(({ name }) => name === cookieName || name.startsWith(`${cookieName}.`))
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(({ value }) => value)
    .join('');
  return value ? JSON.parse(Buffer.from(value.slice('base64-'.length), 'base64url').toString()) : undefined;
}

/**
 * Puts an expired token of Ada's into her session, which still says that it is good for an hour: as if the clock of this
 * browser were slow. Returns the token.
 */
async function expireToken(context, server) {
  const answer = await context.request.post(`${server.url}/dev/token`, { data: { identity: 'expired' } });
  const { token } = await answer.json();
  const session = { ...(await sessionOf(context)), access_token: token };
  const cookies = await context.cookies();
  const [{ domain, path }] = cookies.filter(({ name }) => name.startsWith(cookieName));
  await context.clearCookies({ name: new RegExp(`^${cookieName}`) });
  const value = `base64-${Buffer.from(JSON.stringify(session)).toString('base64url')}`;
  await context.addCookies([{ name: cookieName, value, domain, path, sameSite: 'Lax' }]);
  return token;
}
