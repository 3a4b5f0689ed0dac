// make lighthouse: what Lighthouse says of each page of examples/nextjs, built for production. Fails below 95, but for performance,
// which is that of a phone and of the machine that this runs on.
import lighthouse from 'lighthouse';
import { register } from '../agent.js';
import { startBrowser } from '../browser.js';
import { freePort, startApp } from '../nextjs.js';
import { startBillingFor } from '../usergraph.js';

const least = 95;
const categories = ['accessibility', 'best-practices', 'seo', 'performance'];

const [appPort, debugPort] = [await freePort(), await freePort()];
const server = await startBillingFor(`http://127.0.0.1:${appPort}`);
const browser = await startBrowser(`--remote-debugging-port=${debugPort}`);
let app;
try {
  app = await startApp(server, appPort);
  const signedIn = await session();
  console.log(['page'.padEnd(40), ...categories].join('  '));
  for (const [path, cookie] of [
    ['/sign-in'], ['/pricing'],
    ...['/account', '/account/apollo', '/account/urql', '/account/fetch', '/todos', '/todos/urql', '/pricing', '/agents', await consent()]
      .map(path => [path, signedIn]),
  ]) {
    await setCookie(cookie);
    const { lhr } = await lighthouse(app.url + path, { port: debugPort, onlyCategories: categories, disableStorageReset: true, logLevel: 'error' });
    const name = `${path.split('?')[0]}${cookie ? ', signed in' : ''}`;
    const scores = categories.map(id => Math.round(lhr.categories[id].score * 100));
    console.log([name.padEnd(40), ...scores.map((score, i) => String(score).padStart(categories[i].length))].join('  '));
    if (!lhr.finalDisplayedUrl.includes(path.split('?')[0])) {
      throw new Error(`${name} led to ${lhr.finalDisplayedUrl}`);
    }
    for (const id of categories.filter((id, i) => id !== 'performance' && scores[i] < least)) {
      process.exitCode = 1;
      const failed = lhr.categories[id].auditRefs.map(({ id }) => lhr.audits[id]).filter(({ score }) => score !== null && score < 1);
      console.log(`  ${id}: ${failed.map(({ title }) => title).join('; ')}`);
    }
  }
} finally {
  await Promise.all([app?.stop(), server.stop(), browser.close()]);
}

/** The session of a new user, who has todos. */
async function session() {
  const headers = { apikey: server.publishableKey, 'Content-Type': 'application/json' };
  const answer = await fetch(`${server.supabaseURL}/auth/v1/signup`, {
    method: 'POST', headers,
    body: JSON.stringify({ email: 'lighthouse@example.com', password: 'correct horse battery', data: { full_name: 'Grace Hopper' } }),
  });
  const session = await answer.json();
  for (const title of ['Find the moth', 'Write the compiler']) {
    await fetch(`${server.url}/graphql`, {
      method: 'POST', headers: { ...headers, Authorization: `Bearer ${session.access_token}` },
      body: JSON.stringify({ query: 'mutation($title: String!) { createTodo(input: { title: $title }) { id } }', variables: { title } }),
    });
  }
  return session;
}

/** The page that asks about an agent. */
async function consent() {
  const oauth = `${server.supabaseURL}/auth/v1/oauth`;
  const redirect_uri = 'http://127.0.0.1:7777/callback';
  const client_id = await register(server, redirect_uri, 'Secretary');
  const query = new URLSearchParams({ client_id, redirect_uri, response_type: 'code', code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' });
  const to = new URL((await fetch(`${oauth}/authorize?${query}`, { redirect: 'manual' })).headers.get('location'));
  return to.pathname + to.search;
}

/** Gives the browser's own profile, in which Lighthouse opens its pages, the session, or takes it away. */
async function setCookie(session) {
  const cdp = await browser.newBrowserCDPSession();
  await cdp.send('Storage.clearCookies');
  if (session) {
    const value = `base64-${Buffer.from(JSON.stringify(session)).toString('base64url')}`;
    await cdp.send('Storage.setCookies', { cookies: [{ name: 'sb-127-auth-token', value, domain: '127.0.0.1', path: '/', sameSite: 'Lax' }] });
  }
  await cdp.detach();
}
