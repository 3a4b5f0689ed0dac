import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

/** Starts Debian's Chromium, for which no host but this machine has a name, with more arguments if given. */
export function startBrowser(...args) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      ...args,
    ],
  });
}

/**
 * Opens a page in a profile of its own, which may open more, and remembers what should not happen on them: errors in the console, exceptions,
 * violations of the Content-Security-Policy, and requests to other hosts than allowed.
 */
export async function openPage(browser, allowed, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  // Generous: a busy machine is no failure.
  context.setDefaultTimeout(120_000);
  const problems = [];
  context.on('console', message => message.type() === 'error' && problems.push(`console: ${message.text()}`));
  context.on('weberror', event => problems.push(`exception: ${event.error().message}`));
  context.on('request', request => {
    const { protocol, origin } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && !allowed.includes(origin)) {
      problems.push(`request: ${request.url()}`);
    }
  });
  await context.exposeFunction('reportViolation', text => problems.push(`policy: ${text}`));
  await context.addInitScript(() =>
    addEventListener('securitypolicyviolation', e => reportViolation(`${e.violatedDirective} ${e.blockedURI}`)),
  );
  const page = await context.newPage();
  return {
    page,
    context,
    /** Ends the profile; fails if something happened that no pattern of expected matches. */
    async close(...expected) {
      await context.close();
      assert.deepEqual(problems.filter(problem => !expected.some(pattern => pattern.test(problem))), []);
    },
  };
}

/** Fails if axe finds a serious or critical problem of accessibility, or one of the impacts given. */
export async function assertAccessible(page, impacts = ['serious', 'critical']) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const findings = violations
    .filter(({ impact }) => impacts.includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`);
  assert.deepEqual(findings, []);
}
