import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { approve, letIn, register, signIn } from '../agent.js';
import { startConformance } from '../usergraph.js';
import { inapplicable, next, released } from './scenarios.js';

let usergraph, ada, proxy, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usergraph-conformance-'));
  usergraph = await startConformance();
  ada = await signIn(usergraph, 'ada@example.com');
  // The suite sends no token, so this adds one, and changes nothing else.
  const { token } = await letIn(usergraph, ada);
  proxy = createServer((from, to) => {
    const { hostname, port } = new URL(usergraph.url);
    const asked = request({ hostname, port, method: from.method, path: from.url, headers: { ...from.headers, authorization: `Bearer ${token}` } }, answer => {
      to.writeHead(answer.statusCode, answer.headers);
      answer.pipe(to);
    });
    asked.on('error', () => to.destroy());
    from.pipe(asked);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
after(async () => {
  proxy?.close();
  proxy?.closeAllConnections();
  await usergraph?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the suite, which needs Node 22, and returns the checks of each scenario that it has run. */
async function run(suite, kind, args, seen = () => {}) {
  const output = mkdtempSync(join(folder, 'run-'));
  const modules = fileURLToPath(new URL('node_modules/', import.meta.url));
  const child = spawn(join(modules, 'node/bin/node'), [join(modules, suite, 'dist/index.js'), kind, ...args, '-o', output], { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface(child.stdout).on('line', seen);
  await once(child, 'exit'); // Its code tells only that not all scenarios apply.
  return Object.fromEntries(readdirSync(output).map(name => {
    const [, scenario] = name.match(/^(?:authorization-)?server-(.+)-\d{4}-\d\d-\d\dT/);
    return [scenario, JSON.parse(readFileSync(join(output, name, 'checks.json'), 'utf8'))];
  }));
}

/** Fails unless a scenario's checks pass, as many as the table says. */
function passes(scenario, checks, count) {
  const failed = checks.filter(({ id, status }) => status === 'FAILURE' && !inapplicable[id]);
  assert.deepEqual(failed, [], scenario);
  assert.equal(checks.filter(({ status }) => status === 'SUCCESS').length, count, `${scenario}: ${checks.map(({ id, status }) => `${id} ${status}`).join(', ')}`);
}

const url = () => `http://127.0.0.1:${proxy.address().port}/mcp`;

test('the released suite: each scenario that applies passes, and the table has them all', async () => {
  const ran = await run('@modelcontextprotocol/conformance', 'server', ['--url', url(), '--suite', 'all']);
  assert.deepEqual(Object.keys(ran).sort(), Object.keys(released).sort());
  for (const [scenario, count] of Object.entries(released)) {
    if (typeof count === 'number') {
      passes(scenario, ran[scenario], count);
    }
  }
});

test('the next suite, with the protocol of 2026-07-28', async () => {
  const ran = await run('conformance-next', 'server', ['--url', url(), '--suite', 'all', '--spec-version', '2026-07-28']);
  for (const [scenario, count] of Object.entries(next)) {
    assert.ok(ran[scenario], `${scenario} has not run`);
    passes(scenario, ran[scenario], count);
  }
});

test('the next suite, for authorization servers: metadata, and a code for a token', async () => {
  const callback = createServer().listen(0, '127.0.0.1');
  await once(callback, 'listening');
  const { port } = callback.address();
  callback.close();
  const client = await register(usergraph, `http://127.0.0.1:${port}/callback`);
  const ran = await run('conformance-next', 'authorization', [
    '--url', `${usergraph.supabaseURL}/auth/v1`, '--client-id', client, '--port', String(port), '--resource', `${usergraph.url}/mcp`,
  ], async line => {
    if (line.startsWith(`${usergraph.supabaseURL}/auth/v1/oauth/authorize?`)) {
      await fetch(await approve(ada, line));
    }
  });
  passes('authorization-server-metadata-endpoint', ran['authorization-server-metadata-endpoint'], 1);
  passes('authorization-code-grant', ran['authorization-code-grant'], 1);
});

test('docs/agents.md names each scenario', () => {
  const docs = readFileSync(new URL('../../docs/agents.md', import.meta.url), 'utf8');
  for (const scenario of [...Object.keys(released), ...Object.keys(next), 'authorization-server-metadata-endpoint', 'authorization-code-grant']) {
    assert.ok(docs.includes(`\`${scenario}\``), scenario);
  }
});
