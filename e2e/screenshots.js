// Takes the pictures of the documentation: npm run screenshots.
import { fileURLToPath } from 'node:url';
import { register } from './agent.js';
import { startPage } from './assistant.js';
import { openPage, startBrowser } from './browser.js';
import { freePort, startApp } from './nextjs.js';
import { startAssistant, startBillingFor, startUsergraph } from './usergraph.js';

const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
const [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
let billing, app, assistant, chat;
try {
  for (const [colorScheme, name] of [
    ['light', 'playground.png'],
    ['dark', 'playground-dark.png'],
  ]) {
    const { page, close } = await openPage(browser, [server.url], {
      colorScheme,
      viewport: { width: 1440, height: 600 },
      deviceScaleFactor: 1.5,
    });
    await page.goto(server.url);
    await page.getByText('Ada Lovelace').waitFor();
    await page.getByRole('status', { name: 'Answer' }).getByText('1 row').waitFor();
    // Once more, without what opening the page takes.
    await page.getByRole('button', { name: /^Execute query/ }).click();
    await page.locator('.detected-link').last().waitFor();
    await page.screenshot({ path: images + name });
    await close();
  }

  {
    // The page on which dev asks whether an agent may act for a user.
    const redirect_uri = 'http://127.0.0.1:6276/oauth/callback';
    const client_id = await register(server, redirect_uri, 'MCP Inspector');
    const { page, close } = await openPage(browser, [server.supabaseURL], { viewport: { width: 720, height: 520 }, deviceScaleFactor: 1.5 });
    await page.goto(`${server.supabaseURL}/auth/v1/oauth/authorize?${new URLSearchParams({
      client_id, redirect_uri, code_challenge: 'x'.repeat(43), code_challenge_method: 'S256',
    })}`);
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    await page.screenshot({ path: `${images}consent.png` });
    await close();
  }

  const port = await freePort();
  billing = await startBillingFor(`http://127.0.0.1:${port}`);
  app = await startApp(billing, port);
  for (const [path, height, name] of [
    ['/account/apollo', 820, 'nextjs-account.png'],
    ['/todos', 718, 'nextjs-todos.png'], // between two rows of the list
  ]) {
    const { page, close } = await openPage(browser, [app.url, billing.url, billing.supabaseURL], {
      viewport: { width: 1000, height },
      deviceScaleFactor: 1.5,
    });
    await page.goto(`${app.url}/sign-in?next=${path}`);
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Password').fill('usergraph-dev');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.screenshot({ path: images + name });
    // Ada's picture is at example.com, which nobody reaches here.
    await close(/example\.com|ERR_NAME_NOT_RESOLVED/);
  }

  assistant = await startAssistant();
  chat = await startPage(assistant);
  const { page, close } = await openPage(browser, [chat.url, assistant.url, assistant.supabaseURL, assistant.url.replace('http', 'ws')], {
    colorScheme: 'light',
    viewport: { width: 1100, height: 720 },
    deviceScaleFactor: 1.5,
  });
  await page.goto(chat.url);
  await page.getByLabel('Email').fill('ada@example.com');
  await page.getByLabel('Password').fill('usergraph-dev');
  await page.getByRole('button', { name: 'Sign in' }).click();
  for (const text of ['What did I note about Berlin?', 'What did I note about the Engine?']) {
    await page.getByRole('button', { name: 'New thread' }).click();
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('You noted:').waitFor();
    await page.getByRole('button', { name: 'Send' }).waitFor();
  }
  await page.getByRole('link', { name: 'What did I note about Berlin?' }).click();
  await page.getByRole('article', { name: 'Assistant' }).locator('summary').click();
  await page.getByText('Museum Island is open').last().waitFor();
  await page.screenshot({ path: `${images}assistant.png` });
  await close();
} finally {
  await Promise.all([app?.stop(), billing?.stop(), chat?.stop(), assistant?.stop(), server.stop(), browser.close()]);
}
