// Takes the pictures of the documentation: npm run screenshots.
import { fileURLToPath } from 'node:url';
import { openPage, startBrowser } from './browser.js';
import { startApp } from './nextjs.js';
import { startUsergraph } from './usergraph.js';

const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
const [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
let app;
try {
  for (const [colorScheme, name] of [
    ['light', 'playground.png'],
    ['dark', 'playground-dark.png'],
  ]) {
    const { page, close } = await openPage(browser, [server.url], {
      colorScheme,
      viewport: { width: 1440, height: 720 },
      deviceScaleFactor: 1.5,
    });
    await page.goto(server.url);
    await page.getByText('Ada Lovelace').waitFor();
    await page.locator('.graphiql-explorer-root').getByText('fullName').waitFor();
    await page.locator('.detected-link').last().waitFor();
    await page.screenshot({ path: images + name });
    await close();
  }

  app = await startApp(server);
  for (const [options, name] of [
    [{ colorScheme: 'light', viewport: { width: 1100, height: 620 }, deviceScaleFactor: 1.5 }, 'nextjs.png'],
    [{ colorScheme: 'dark', viewport: { width: 1100, height: 620 }, deviceScaleFactor: 1.5 }, 'nextjs-dark.png'],
    [{ colorScheme: 'light', viewport: { width: 390, height: 800 }, deviceScaleFactor: 2 }, 'nextjs-phone.png'],
  ]) {
    const { page, close } = await openPage(browser, [app.url, server.url, server.supabaseURL], options);
    await page.goto(app.url);
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Password').fill('usergraph-dev');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();
    await page.goto(`${app.url}/apollo`);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.screenshot({ path: images + name });
    await close();
  }
} finally {
  await Promise.all([app?.stop(), server.stop(), browser.close()]);
}
