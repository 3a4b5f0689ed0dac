// Takes the pictures of the documentation: npm run screenshots.
import { fileURLToPath } from 'node:url';
import { openPage, startBrowser } from './browser.js';
import { startUsergraph } from './usergraph.js';

const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
const [server, browser] = await Promise.all([startUsergraph(), startBrowser()]);
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
} finally {
  await Promise.all([server.stop(), browser.close()]);
}
