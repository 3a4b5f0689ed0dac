import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, openPage, startBrowser } from './browser.js';
import { startUsergraph } from './usergraph.js';

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
      assert.equal(await page.getByLabel('Acting as').inputValue(), 'ada');
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
    await actAs(page, 'Bob');
    await seeResult(page, 'Bob Kahn');
    await actAs(page, 'User without a name');
    await seeResult(page, /"fullName":.null/);
    await actAs(page, 'Signed out');
    await seeResult(page, 'UNAUTHENTICATED');
    await page.getByRole('banner').getByText('no token').waitFor();
    await actAs(page, 'Ada, token expired');
    await seeResult(page, 'TOKEN_EXPIRED');
    await page.getByRole('banner').getByText(/token expired 5:\d\d min ago/).waitFor();
    await actAs(page, 'Ada');
    await seeResult(page, 'Ada Lovelace');
    // The browser itself notes each answer that is not a success.
    await close(/status of 401/);
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

  test('without identities, a token is pasted and forgotten', async () => {
    const { page, close } = await openPage(browser, [server.url]);
    const answer = await page.request.post(`${server.url}/dev/token`, { data: { identity: 'bob' } });
    const { token } = await answer.json();
    // As PLAYGROUND=on has it.
    await page.route('**/playground/config.json', async route => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), identities: [], tokenEndpoint: '' } });
    });
    await page.goto(server.url);
    await page.getByLabel('Access token').fill(`Bearer ${token}`);
    await page.getByRole('button', { name: 'Use this token' }).click();
    await page.getByRole('banner').getByText('Acting as bob@example.com').waitFor();
    await typeQuery(page, '{ me { fullName } }');
    await run(page).click();
    await seeResult(page, 'Bob Kahn');
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await run(page).click();
    await seeResult(page, 'UNAUTHENTICATED');
    await assertAccessible(page);
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
