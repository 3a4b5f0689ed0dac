import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { runSQL, startBilling, startServe, startTestAPI, startUsergraph } from './usergraph.js';

const queryResult = page => page.getByRole('region', { name: 'Result Window' });
const answer = page => page.getByRole('status', { name: 'Answer' });
const documents = page => page.getByRole('region', { name: 'Documents' });
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
      assert.equal(await page.title(), 'usergraph playground');
      await page.getByRole('heading', { name: 'usergraph playground', level: 1 }).waitFor();
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
    await answer(page).getByText('1 error').waitFor();
    await page.getByRole('banner').getByText('no token').waitFor();
    await actAs(page, 'ada@example.com, token expired');
    await seeResult(page, 'TOKEN_EXPIRED');
    await answer(page).getByText('401 Unauthorized').waitFor();
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
    await answer(watcher.page).getByText(/^live/).waitFor();
    await answer(watcher.page).getByText('1 answer', { exact: true }).waitFor();
    await run(editor.page).click();
    await seeResult(watcher.page, 'Ada King');
    await answer(watcher.page).getByText('2 answers', { exact: true }).waitFor();
    const closed = socket.waitForEvent('close');
    await actAs(watcher.page, 'bob@example.com');
    await closed;
    await watcher.close();
    await typeQuery(editor.page, 'mutation { updateMe(input: { fullName: "Ada Lovelace" }) { fullName } }');
    await run(editor.page).click();
    await seeResult(editor.page, 'Ada Lovelace');
    await editor.close();
  });

  test('an answer says how it came about, in its own tab', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    for (const fact of ['200 OK', /^[\d.,]+ ms$/, /^server [\d.,]+ ms$/, '1 SQL statement', '1 row']) {
      await answer(page).getByText(fact, { exact: true }).waitFor();
    }
    assert.doesNotMatch(await queryResult(page).textContent(), /debug|extensions/);
    await typeQuery(page, '{ __typename }');
    await run(page).click();
    await answer(page).getByText('0 SQL statements').waitFor();
    await page.getByRole('button', { name: 'WatchMyName', exact: true }).click();
    await answer(page).getByText('Ctrl-Enter runs the operation.').waitFor();
    await page.getByRole('region', { name: 'Operation Editor' }).locator('.view-lines').first().click();
    await page.keyboard.press('Control+Enter');
    await answer(page).getByText(/^live/).waitFor();
    await run(page).or(page.getByRole('button', { name: /^Stop/ })).click();
    await answer(page).getByText(/^ended/).waitFor();
    await page.getByRole('button', { name: '<untitled>', exact: true }).click();
    await answer(page).getByText('0 SQL statements').waitFor();
    await close();
  });

  test('a long line of an operation goes on below', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    const lines = page.locator('.graphiql-query-editor .view-line > span');
    await lines.filter({ hasText: 'email' }).first().waitFor();
    const cut = await lines.evaluateAll(spans => spans
      .filter(span => span.getBoundingClientRect().right > span.closest('.monaco-editor').getBoundingClientRect().right)
      .map(span => span.textContent));
    assert.deepEqual(cut, []);
    await close();
  });

  test('there is room for the operation while there are no variables', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    const height = async () => (await page.getByRole('region', { name: 'Variables' }).boundingBox()).height;
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    assert.ok((await height()) < 80, `${await height()}`);
    await page.getByRole('button', { name: 'ChangeMyName', exact: true }).click();
    await page.getByRole('region', { name: 'Variables' }).getByText('Ada King').waitFor();
    assert.ok((await height()) > 120, `${await height()}`);
    // A height that was chosen by hand stays.
    const { x, y } = await page.locator('.graphiql-editor-tools').boundingBox();
    await page.mouse.move(x + 300, y + 4);
    await page.mouse.down();
    await page.mouse.move(x + 300, y - 96, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => localStorage.getItem('graphiql:secondaryEditorFlex'));
    const chosen = await height();
    assert.ok(chosen > 220, `${chosen}`);
    await page.getByRole('button', { name: 'WhoAmI', exact: true }).click();
    await page.getByRole('region', { name: 'Variables' }).getByText('Ada King').waitFor({ state: 'detached' });
    assert.equal(await height(), chosen);
    await close();
  });

  test('the claims of the token are shown', async () => {
    const { page, close } = await openPage(browser, [server.url], { viewport: { width: 1280, height: 800 } });
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Show Caller' }).click();
    const panel = page.getByRole('region', { name: 'Caller' });
    const claim = name => panel.locator('div', { has: page.getByText(name, { exact: true }) }).getByRole('definition').first();
    assert.equal(await claim('sub').textContent(), 'a0000000-0000-4000-8000-000000000001');
    assert.equal(await claim('role').textContent(), 'authenticated');
    await panel.getByText(/token expires in 59:\d\d min/).waitFor();
    // Each in one line: a UUID is longer than most addresses.
    for (const name of ['sub', 'email']) {
      const lines = await claim(name).evaluate(e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight));
      assert.equal(Math.round(lines), 1, name);
    }
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
    await seeWhole(page, page.getByLabel('Acting as'), run(page), answer(page), queryResult(page), page.getByRole('region', { name: 'Operation Editor' }));
    await assertAccessible(page);
    await actAs(page, 'bob@example.com');
    await seeResult(page, 'Bob Kahn');
    await page.getByRole('button', { name: 'Show Caller' }).tap();
    await seeWhole(page, page.getByRole('button', { name: 'Copy token' }));
    await page.getByRole('button', { name: 'Hide Caller' }).tap();
    await page.getByRole('button', { name: 'Show Documents' }).tap();
    await seeWhole(page, documents(page).getByRole('searchbox'));
    await assertAccessible(page);
    await documents(page).getByRole('button', { name: /^Change my name/ }).tap();
    await documents(page).waitFor({ state: 'detached' });
    await page.getByRole('region', { name: 'Variables' }).getByText('Ada King').waitFor();
    // The panes move when the documents close: a finger that is too quick misses the tab, and would run the other operation.
    const shown = page.getByRole('region', { name: 'Operation Editor' }).locator('.view-line').filter({ hasText: 'WhoAmI' }).first();
    for (let taps = 1; !(await shown.isVisible()); taps++) {
      assert.ok(taps < 5, 'the tab does not open');
      await page.getByRole('button', { name: 'WhoAmI', exact: true }).tap();
      await shown.waitFor({ timeout: 5000 }).catch(() => {});
    }
    await run(page).tap();
    await seeResult(page, 'Bob Kahn');
    await close();
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`accessible, ${colorScheme}`, async () => {
      const { page, close } = await openPage(browser, [server.url], { colorScheme });
      await page.goto(server.url);
      await seeResult(page, 'Ada Lovelace');
      await documents(page).getByText('Change my name').waitFor();
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Show Explorer' }).click();
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

describe('documents of the playground', () => {
  let server, browser;
  before(async () => {
    [server, browser] = await Promise.all([startBilling(), startBrowser()]);
  });
  after(() => Promise.all([server?.stop(), browser?.close()]));

  const tabs = page => page.getByRole('list', { name: 'Select active operation' }).getByRole('listitem');
  const titles = page => documents(page).getByRole('listitem').evaluateAll(items => items.map(item => item.querySelector('.name').firstChild.data.trim()));

  test('all are listed, and the first five are tabs', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    const { operations } = await (await fetch(`${server.url}/playground/config.json`)).json();
    assert.ok(operations.length > 5);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    assert.deepEqual(await titles(page), operations.map(({ title }) => title));
    const open = await tabs(page).evaluateAll(items => items.map(item => item.querySelector('button').textContent));
    assert.deepEqual(open, operations.slice(0, 5).map(({ name }) => name));
    await close();
  });

  test('one is found and opened by the keyboard alone', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    await page.goto(server.url);
    await seeResult(page, 'Ada Lovelace');
    await documents(page).getByRole('searchbox', { name: 'Search the documents' }).focus();
    await page.keyboard.type('CALLER todos');
    await documents(page).getByText(/^1 of \d+ named operations$/).waitFor();
    assert.deepEqual(await titles(page), ['Todos']);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Todos', exact: true }).waitFor();
    // The editor has the focus now.
    await page.keyboard.press('Control+Enter');
    await seeResult(page, '"todos"');
    await answer(page).getByText('200 OK').waitFor();
    // What is open already is opened in its tab.
    const count = await tabs(page).count();
    await documents(page).getByRole('searchbox').fill('who');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await documents(page).locator('[aria-current=true]').filter({ hasText: 'Who am I' }).waitFor();
    await seeResult(page, 'Ada Lovelace');
    assert.equal(await tabs(page).count(), count);
    await documents(page).getByRole('searchbox').fill('nothing of this name');
    await documents(page).getByText(/^0 of \d+ named operations$/).waitFor();
    await close();
  });

  test('what agents may call is marked, with what a call does', async () => {
    const other = await startTestAPI();
    try {
      for (const [{ url }, expected] of [
        [server, { WhoAmI: 'agents: reads', ChangeMyName: '', WatchMyName: '', Todos: 'agents: reads' }],
        [other, { WhoAmI: 'agents: reads', ChangeMyName: 'agents: overwrites or deletes, repeatable', WatchMyName: '' }],
      ]) {
        const { operations } = await (await fetch(`${url}/playground/config.json`)).json();
        const { page, close } = await openPage(browser, [url]);
        await page.goto(url);
        await seeResult(page, 'Ada Lovelace');
        for (const [name, mark] of Object.entries(expected)) {
          const { title } = operations.find(operation => operation.name === name);
          const item = documents(page).getByRole('button', { name: new RegExp(`^${title} (query|mutation|subscription)`) });
          assert.equal((await item.locator('.agents').allTextContents()).join().trim(), mark, name);
        }
        await close();
      }
    } finally {
      await other.stop();
    }
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`a null is explained, ${colorScheme}`, async () => {
      const { page, close } = await openPage(browser, [server.url], { colorScheme });
      await page.goto(server.url);
      await seeResult(page, 'Ada Lovelace');
      runSQL(server, "delete from public.users where id = 'c0000000-0000-4000-8000-000000000003'");
      await actAs(page, 'noname@example.com');
      await page.getByRole('list', { name: 'Why fields are null' }).getByText('me is null: no such row in public.users.').waitFor();
      await seeResult(page, /"me":.null/);
      assert.doesNotMatch(await queryResult(page).textContent(), /debug|extensions/);
      await assertAccessible(page);
      await typeQuery(page, 'no document');
      await run(page).click();
      await answer(page).getByText('1 error').waitFor();
      await page.getByRole('list', { name: 'Why fields are null' }).waitFor({ state: 'detached' });
      await assertAccessible(page);
      await close(/status of 400/);
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
    assert.ok(config.operations.every(({ tool }) => tool === null)); // MCP is off
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
    // What only development tells is not there.
    assert.match(await answer(page).textContent(), /^200 OK[\d.,]+ ms$/);
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
