import { chromium } from 'playwright-core';
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox','--disable-gpu','--disable-background-networking','--disable-web-security','--disable-site-isolation-trials'] });
const out = '/tmp/nx-shots/'; 
const app='http://127.0.0.1:13000';
for (const [scheme, viewport] of [['light',{width:1100,height:760}],['dark',{width:1100,height:760}],['light',{width:390,height:780}]]) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, deviceScaleFactor: 1 });
  const page = await context.newPage();
  const name = `${scheme}-${viewport.width}-`;
  page.on('console', m => ['error','warning'].includes(m.type()) && console.log(name, m.text().slice(0,400)));
  page.on('pageerror', e => console.log(name, 'exc', e.message.slice(0,400)));
  await page.goto(app);
  await page.waitForURL('**/sign-in');
  await page.screenshot({ path: out + name + 'sign-in.png' });
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Name').fill('Grace Hopper');
  await page.getByLabel('Email').fill(`grace${Date.now()}@example.com`);
  await page.getByLabel('Password').fill('correct horse');
  await page.screenshot({ path: out + name + 'sign-up.png' });
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.waitForURL('**/account');
  await page.getByRole('heading', { name: 'Grace Hopper' }).waitFor();
  await page.screenshot({ path: out + name + 'account.png' });
  await page.getByLabel('Name').fill('Rear Admiral Grace Hopper');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved').waitFor();
  await page.screenshot({ path: out + name + 'saved.png' });
  for (const p of ['Apollo','urql','fetch']) {
    await page.getByRole('link', { name: p }).click();
    await page.waitForURL('**/'+p.toLowerCase());
    await page.getByRole('heading', { name: 'Rear Admiral Grace Hopper' }).waitFor({timeout: 8000}).catch(e => console.log(p, e.message.split('\n')[0]));
    await page.screenshot({ path: out + name + p + '.png' });
  }
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/sign-in?ended');
  await page.screenshot({ path: out + name + 'ended.png' });
  await context.close();
}
await browser.close();
