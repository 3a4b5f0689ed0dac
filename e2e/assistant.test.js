import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runSQL, startPage, startSources } from './assistant.js';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startAssistant } from './usergraph.js';

const ada = { email: 'ada@example.com', password: 'usergraph-dev' };
const bob = { email: 'bob@example.com', password: 'usergraph-dev' };

async function signIn(page, { email, password }) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'New thread' }).waitFor();
}

async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

const answer = (page, text) => page.getByRole('article', { name: 'Assistant' }).filter({ hasText: text });

/** Asks for what takes a while, and returns when the answer has begun. */
async function askLong(page) {
  await say(page, 'Count to 900');
  await answer(page, '1 2 3 4 5').waitFor();
}

test('the page is served by the command of docs/assistant.md', async () => {
  const { url, stop } = await startSources();
  try {
    const page = await (await fetch(`${url}/`)).text();
    const module = await fetch(url + page.match(/src="(\/src\/[^"]+)"/)[1]);
    assert.match(module.headers.get('content-type'), /javascript/);
    assert.match(await module.text(), /createRoot/);
  } finally {
    await stop();
  }
});

describe('examples/assistant', () => {
  let server, page, browser, allowed;
  before(async () => {
    [server, browser] = await Promise.all([startAssistant(), startBrowser()]);
    page = await startPage(server);
    allowed = [page.url, server.url, server.supabaseURL, server.url.replace('http', 'ws')];
  });
  after(() => Promise.all([page?.stop(), browser?.close(), server?.stop()]));

  async function open(user, options) {
    const opened = await openPage(browser, allowed, options);
    await opened.page.goto(page.url);
    await signIn(opened.page, user);
    return opened;
  }

  test('asks, with the tools as steps, and shows what was said again', async () => {
    const { page, close } = await open(ada);
    await say(page, 'What did I note about Berlin?');
    await answer(page, '21:40').waitFor();
    const step = page.getByRole('article', { name: 'Assistant' }).getByRole('group').first();
    await step.locator('summary').click();
    await step.getByText('"query": "Berlin"').waitFor();
    assert.equal(await page.getByText('Carla').count(), 0);
    await page.getByText(/[1-9]\d* % of today’s tokens/).waitFor();
    await assertAccessible(page);
    await page.reload();
    await answer(page, '21:40').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'What did I note about Berlin?' }).waitFor();
    await close();
  });

  test('is readable in the dark and on a phone', async () => {
    const { page, close } = await open(bob, { colorScheme: 'dark', viewport: { width: 390, height: 800 } });
    await say(page, 'What did I note about Berlin?');
    await answer(page, 'Carla').waitFor();
    await assertAccessible(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await close();
  });

  test('stops', async () => {
    const { page, close } = await open(ada);
    await askLong(page);
    await page.getByRole('button', { name: 'Stop' }).click();
    await answer(page, 'Stopped').waitFor();
    assert.equal(await answer(page, ' 900').count(), 0);
    await say(page, 'Hello again');
    await answer(page, 'You said: Hello again').waitFor();
    await close();
  });

  test('a reload in the middle ends the answer, and shows what was said until then', async () => {
    const { page, close } = await open(ada);
    await askLong(page);
    await page.reload();
    await answer(page, '1 2 3 4 5').filter({ hasText: 'Stopped' }).waitFor();
    await close();
  });

  test('another tab sees the thread grow', async () => {
    const { page, context, close } = await open(ada);
    await say(page, 'Hello from the first tab');
    await answer(page, 'You said: Hello from the first tab').waitFor();
    const other = await context.newPage();
    await other.goto(page.url());
    await answer(other, 'You said: Hello from the first tab').waitFor();
    await say(page, 'Hello once more');
    await answer(other, 'You said: Hello once more').waitFor();
    await say(other, 'And from the second');
    await answer(page, 'You said: And from the second').waitFor();
    await close();
  });

  test('says when the tokens of the day are used up', async () => {
    const { page, close } = await open(bob);
    await say(page, 'Hello');
    await answer(page, 'You said: Hello').waitFor();
    runSQL(server, `update public.usage set used = token_limit where user_id = (select id from auth.users where email = 'bob@example.com')`);
    await page.getByText('100 % of today’s tokens').waitFor(); // by the subscription
    await say(page, 'Hello again');
    await page.getByRole('alert').filter({ hasText: 'the tokens of today are used up' }).waitFor();
    await close(/console: .*400/);
  });

  test('signing out in the middle ends the answer', async () => {
    const { page, close } = await open(ada);
    await askLong(page);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(await page.getByText('1 2 3').count(), 0);
    await signIn(page, ada);
    await answer(page, '1 2 3 4 5').filter({ hasText: 'Stopped' }).waitFor();
    await close();
  });

  test('a server that restarts in the middle is told of, and goes on', async () => {
    const { page, close } = await open(ada);
    await askLong(page);
    await server.restart();
    await page.getByRole('alert').filter({ hasText: 'the server is stopping' }).waitFor();
    await answer(page, '1 2 3 4 5').filter({ hasText: 'Stopped' }).waitFor();
    await say(page, 'Are you back?');
    await answer(page, 'You said: Are you back?').waitFor();
    await close(/console: /);
  });
});
