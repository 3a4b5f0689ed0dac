import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startServe, startUsergraph } from './usergraph.js';

const queryResult = page => page.getByRole('region', { name: 'Result Window' });
const run = page => page.getByRole('button', { name: /^Execute query/ });

/** Waits for a text in the result. Monaco shows spaces as no-break spaces. */
async function seeResult(page, text) {
  await queryResult(page).locator('.view-line').filter({ hasText: text }).first().waitFor();
}

async function actAs(page, label) {
  await page.getByLabel('Acting as').selectOption({ label });
}

/** Replaces what is in the query editor, and removes the closing braces that Monaco adds behind it. */
async function typeQuery(page, text) {
  await page.getByRole('region', { name: 'Operation Editor' }).locator('.view-lines').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Control+Shift+End');
  await page.keyboard.press('Delete');
}

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Fails unless each element is within the window, and nothing has to be scrolled sideways. */
async function seeWhole(page, ...elements) {
  const { width, height } = page.viewportSize();
  for (const element of elements) {
    await element.waitFor();
    const box = await element.boundingBox();
    const within = box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 0.5 && box.y + box.height <= height + 0.5;
    assert.ok(within, `${element}: ${JSON.stringify(box)}`);
  }
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
}

describe('playground', () => {
  let server, browser;
  before(async () => {
    [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
  });
  after(() => Promise.all([server?.stop(), browser?.close()]));

  for (const path of ['/', '/playground', '/playground/']) {
    test(`${path} opens as Ada and shows her name`, async () => {
      const { page, close } = await openPage(browser, [server.url]);
      await page.goto(server.url + path);
      await seeResult(page, 'Ada Lovelace');
      assert.equal(await page.title(), 'GraphQL Playground');
      assert.equal(await page.getByLabel('Acting as').locator('option:checked').textContent(), 'ada@example.com');
      await close();
    });
  }

  test('a query is sent as the caller and takes JSON only', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await typeQuery(page, '{ me { email } }');
    const sent = page.waitForRequest(request => request.url().endsWith('/graphql') && request.postData().includes('email'));
    await run(page).click();
    const headers = await (await sent).allHeaders();
    assert.equal(headers.accept, 'application/graphql-response+json, application/json');
    assert.match(headers.authorization, /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    await seeResult(page, 'ada@example.com');
    await close();
  });

  test('the switcher asks again as somebody else', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await actAs(page, 'bob@example.com');
    await seeResult(page, 'Bob Kahn');
    await actAs(page, 'noname@example.com');
    await seeResult(page, /"fullName":.null/);
    await actAs(page, 'Signed out');
    await seeResult(page, 'UNAUTHENTICATED');
    await page.getByRole('banner').getByText('no token').waitFor();
    await actAs(page, 'ada@example.com, token expired');
    await seeResult(page, 'TOKEN_EXPIRED');
    await page.getByRole('banner').getByText(/token expired 5:\d\d min ago/).waitFor();
    await actAs(page, 'ada@example.com');
    await seeResult(page, 'Ada Lovelace');
    // The browser itself notes each answer that is not a success.
    await close(/status of 401/);
  });

  test('a subscription shows what another window changes, until somebody else is chosen', async () => {
    const [watcher, editor] = [await openPage(browser, [server.url]), await openPage(browser, [server.url])];
    for (const [{ page }, tab] of [[watcher, 'WatchMyName'], [editor, 'ChangeMyName']]) {
      await page.goto(server.url);
      await seeResult(page, 'Ada Lovelace');
      await page.getByRole('button', { name: tab, exact: true }).click();
    }
    const opened = watcher.page.waitForEvent('websocket');
    await run(watcher.page).click();
    const socket = await opened;
    await seeResult(watcher.page, 'Ada Lovelace');
    await run(editor.page).click();
    await seeResult(watcher.page, 'Ada King');
    const closed = socket.waitForEvent('close');
    await actAs(watcher.page, 'bob@example.com');
    await closed;
    await watcher.close();
    await typeQuery(editor.page, 'mutation { updateMe(input: { fullName: "Ada Lovelace" }) { fullName } }');
    await run(editor.page).click();
    await seeResult(editor.page, 'Ada Lovelace');
    await editor.close();
  });

  test('the claims of the token are shown', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Show Caller' }).click();
    const panel = page.getByRole('region', { name: 'Caller' });
    const claim = name => panel.locator('div', { has: page.getByText(name, { exact: true }) }).getByRole('definition').first();
    assert.equal(await claim('sub').textContent(), 'a0000000-0000-4000-8000-000000000001');
    assert.equal(await claim('role').textContent(), 'authenticated');
    await panel.getByText(/token expires in 59:\d\d min/).waitFor();
    await actAs(page, 'Anonymous user');
    await claim('is_anonymous').filter({ hasText: 'true' }).waitFor();
    await close();
  });

  test('a token is renewed before it expires', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.clock.install();
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    const renewed = page.waitForResponse(response => response.url().endsWith('/dev/token'));
    await page.clock.fastForward('59:05');
    const { token } = await (await renewed).json();
    const sent = page.waitForRequest(request => request.url().endsWith('/graphql'));
    await run(page).click();
    assert.equal((await (await sent).allHeaders()).authorization, `Bearer ${token}`);
    await close();
  });

  test('tokens are in no storage and in no address', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    const answer = page.waitForResponse(response => response.url().endsWith('/dev/token'));
    await page.goto(server.url);
    const { token } = await (await answer).json();
    await seeResult(page, 'Ada Lovelace');
    // GraphiQL keeps its tabs, half a second after a change.
    await page.waitForFunction(() => localStorage.getItem('graphiql:tabState'));
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]));
    assert.ok(!kept.includes(token.split('.')[2]), kept);
    await close();
  });

  test("Monaco's workers complete and validate under the policy", async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await typeQuery(page, '{ me { nonsense } }');
    await page.locator('.squiggly-error').first().waitFor();
    await typeQuery(page, '{ me { full');
    await page.keyboard.press('Control+Space');
    await page.locator('.suggest-widget').getByText('fullName').first().waitFor();
    await close();
  });

  test('pointing at the address of a picture loads nothing', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await typeQuery(page, '{ me { avatarUrl } }');
    await run(page).click();
    await queryResult(page).getByText('fullName').waitFor({ state: 'detached' });
    await queryResult(page).locator('.detected-link').last().hover();
    const hover = page.locator('.monaco-hover').filter({ hasText: 'Follow link' });
    await hover.waitFor();
    // GraphiQL's preview of a picture says so first.
    assert.doesNotMatch(await hover.textContent(), /Loading/);
    await close();
  });

  test('everything fits on a phone', async () => {
    const { page, close } = await openPage(browser, [server.url], phone);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await seeWhole(page, page.getByLabel('Acting as'), run(page), queryResult(page), page.getByRole('region', { name: 'Operation Editor' }));
    await assertAccessible(page);
    await actAs(page, 'bob@example.com');
    await seeResult(page, 'Bob Kahn');
    await page.getByRole('button', { name: 'Show Caller' }).tap();
    await seeWhole(page, page.getByRole('button', { name: 'Copy token' }));
    await page.getByRole('button', { name: 'Hide Caller' }).tap();
    await run(page).tap();
    await seeResult(page, 'Bob Kahn');
    await close();
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`accessible, ${colorScheme}`, async () => {
      const { page, close } = await openPage(browser, [server.url], { colorScheme });
      await page.goto(server.url);
      await seeResult(page, 'Ada Lovelace');
      await page.locator('.graphiql-explorer-root').getByText('fullName').waitFor();
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
      await page.getByRole('link', { name: 'Query' }).click();
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Show Caller' }).click();
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Open settings dialog' }).click();
      await page.getByRole('dialog').waitFor();
      await assertAccessible(page);
      await close();
    });
  }
});

test('a subscription goes on with a new token when the old one expires', async () => {
  const [server, browser] = await Promise.all([startUsergraph('--token-life', '4s'), startBrowser()]);
  try {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await page.getByRole('button', { name: 'WatchMyName', exact: true }).click();
    const first = page.waitForEvent('websocket');
    await run(page).click();
    await first;
    await seeResult(page, 'Ada Lovelace');
    await page.waitForEvent('websocket');
    const { token } = await (await page.request.post(`${server.url}/dev/token`, { data: { identity: 'ada@example.com' } })).json();
    await page.request.post(`${server.url}/graphql`, {
      headers: { Authorization: `Bearer ${token}` },
      data: { query: 'mutation { updateMe(input: { fullName: "Ada King" }) { id } }' },
    });
    await seeResult(page, 'Ada King');
    await close();
  } finally {
    await Promise.all([server.stop(), browser.close()]);
  }
});

describe('playground beside a project', () => {
  const password = 'usergraph-dev';
  let dev, server, browser;
  before(async () => {
    [dev, browser] = await Promise.all([startUsergraph(), startBrowser()]);
    server = await startServe(dev, { PLAYGROUND: 'on', INTROSPECTION: 'on', SUPABASE_PUBLISHABLE_KEY: dev.publishableKey });
  });
  after(() => Promise.all([server?.stop(), dev?.stop(), browser?.close()]));

  const open = options => openPage(browser, [server.url, dev.supabaseURL], options);

  async function signIn(page, email, secret) {
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(secret);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  test('it is off unless it is switched on, and has no token of its own', async () => {
    const quiet = await startServe(dev);
    try {
      for (const path of ['/', '/playground', '/playground/config.json', '/dev/token']) {
        assert.equal((await fetch(quiet.url + path)).status, 404, path);
      }
    } finally {
      await quiet.stop();
    }
    const answer = await fetch(`${server.url}/dev/token`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"identity":"ada@example.com"}' });
    assert.equal(answer.status, 404);
    const config = await (await fetch(`${server.url}/playground/config.json`)).json();
    assert.deepEqual([config.identities, config.tokenEndpoint], [[], '']);
    assert.doesNotMatch(JSON.stringify(config), /eyJ/);
  });

  test('signing in with a password', async () => {
    const { page, close } = await open();
    await page.goto(server.url);
    await signIn(page, 'bob@example.com', 'wrong');
    await page.getByRole('alert').getByText('No token: Invalid login credentials').waitFor();
    await assertAccessible(page);
    await signIn(page, 'bob@example.com', password);
    await page.getByRole('banner').getByText('Acting as bob@example.com').waitFor();
    await typeQuery(page, '{ me { fullName } }');
    await run(page).click();
    await seeResult(page, 'Bob Kahn');
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]));
    assert.doesNotMatch(kept, /eyJ|usergraph-dev/);
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await run(page).click();
    await seeResult(page, 'UNAUTHENTICATED');
    await close(/status of 400/);
  });

  test('the token is refreshed before it expires', async () => {
    const { page, close } = await open();
    await page.clock.install();
    await page.goto(server.url);
    await signIn(page, 'ada@example.com', password);
    await page.getByRole('banner').getByText('Acting as ada@example.com').waitFor();
    const refreshed = page.waitForResponse(response => response.url().endsWith('grant_type=refresh_token'));
    await page.clock.fastForward('59:05');
    const { access_token: token } = await (await refreshed).json();
    const sent = page.waitForRequest(request => request.url().endsWith('/graphql') && request.postData().includes('WhoAmI'));
    await run(page).click();
    assert.equal((await (await sent).allHeaders()).authorization, `Bearer ${token}`);
    await seeResult(page, 'Ada Lovelace');
    await close();
  });

  test('pasting a token', async () => {
    const { page, close } = await open(phone);
    const answer = await page.request.post(`${dev.url}/dev/token`, { data: { identity: 'bob@example.com' } });
    const { token } = await answer.json();
    await page.goto(server.url);
    await page.getByLabel('Access token').fill(`Bearer ${token}`);
    await page.getByRole('button', { name: 'Use this token' }).tap();
    await page.getByRole('banner').getByText('Acting as bob@example.com').waitFor();
    await page.getByRole('button', { name: 'Hide Caller' }).tap();
    await run(page).tap();
    await seeResult(page, 'Bob Kahn');
    await close();
  });
});
