import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Starts `usergraph dev` with a database of its own, on ports that are free, and with more arguments if given. The binary
 * is that of the environment variable USERGRAPH, or else built from this tree.
 */
export function startUsergraph(...args) {
  return startDev(folder => process.env.USERGRAPH ?? build(folder, '.'), args);
}

/** Starts it with the API of the engine's own tests, which has lists. */
export function startTestAPI(...args) {
  return startDev(folder => build(folder, './internal/testapi/server'), args);
}

/** Starts it with the tools that the conformance suite of the Model Context Protocol calls. */
export function startConformance() {
  return startDev(folder => build(folder, './internal/testapi/conformance'), []);
}

/** Starts the project of examples/billing, which has more tables and documents. */
export function startBilling(...args) {
  return startDev(folder => build(folder, '.', '../examples/billing'), args);
}

/** Starts it for an app with this address, where its Auth asks users about agents. */
export function startBillingFor(siteURL, ...args) {
  return startDev(folder => {
    const config = readFileSync(new URL('../examples/billing/supabase/config.toml', import.meta.url), 'utf8');
    mkdirSync(join(folder, 'supabase'));
    writeFileSync(join(folder, 'supabase/config.toml'), config.replace(/^site_url = .*$/m, `site_url = "${siteURL}"`));
    return build(folder, '.', '../examples/billing');
  }, args);
}

/** Starts examples/assistant, a module of its own. */
export function startAssistant(...args) {
  return startDev(folder => process.env.ASSISTANT ?? build(folder, '.', '../examples/assistant/'), args);
}

async function startDev(binaryIn, args) {
  const folder = mkdtempSync(join(tmpdir(), 'usergraph-e2e-'));
  // PostgreSQL runs as another user when this is root.
  chmodSync(folder, 0o755);
  const binary = binaryIn(folder);
  const data = join(folder, 'data');
  // In a folder of its own, since `usergraph dev` reads supabase/config.toml where there is one.
  const run = (ports, args) => start(binary, ['dev', ...ports, '--data', data, ...args], {}, folder);
  let { output, logged, end } = await run(['--port', '0', '--auth-port', '0'], args);
  const read = pattern => output.match(pattern)[1];
  const url = read(/Playground\s+(\S+)\//);
  const supabaseURL = read(/SUPABASE_URL\s+(\S+)/);
  return {
    binary,
    data,
    url,
    supabaseURL,
    publishableKey: read(/SUPABASE_PUBLISHABLE_KEY\s+(\S+)/),
    /** What it has logged so far, the oldest first. */
    logged: () => logged(),
    /** Stops it until restart. */
    pause: () => end(),
    /** Stops it and starts it again, with the same data and on the same ports, and with other arguments if given. */
    async restart(...args) {
      await end();
      ({ logged, end } = await run(['--port', new URL(url).port, '--auth-port', new URL(supabaseURL).port], args));
    },
    async stop() {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs SQL in the database of a `usergraph dev`, as its superuser. */
export function runSQL(dev, statement) {
  const { Superuser: password } = JSON.parse(readFileSync(join(dev.data, 'postgres/passwords'), 'utf8'));
  execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', portOf(dev), '-U', 'postgres', '-c', statement, 'postgres'], {
    env: { ...process.env, PGPASSWORD: password },
    stdio: 'inherit',
  });
}

function portOf(dev) {
  return readFileSync(join(dev.data, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[3];
}

/** Starts the server as in production, with more settings if given, beside a `usergraph dev` that has database and users. */
export async function startServe(dev, settings = {}) {
  const { Authenticator: password } = JSON.parse(readFileSync(join(dev.data, 'postgres/passwords'), 'utf8'));
  const { output, end } = await start(dev.binary, ['serve'], {
    DATABASE_URL: `postgres://authenticator:${password}@127.0.0.1:${portOf(dev)}/postgres?sslmode=disable`,
    SUPABASE_URL: dev.supabaseURL,
    HOST: '127.0.0.1',
    PORT: '0',
    ...settings,
  });
  return { url: output.match(/"url":"([^"]+)"/)[1], stop: end };
}

/** Runs the program until it listens. Of what it says later, errors are shown. */
async function start(binary, args, env = {}, cwd = undefined) {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env }, cwd });
  const exited = once(child, 'exit');
  const lines = [];
  await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      lines.push(line);
      if (line.includes('"level":"ERROR"')) {
        console.error(line);
      }
      // What dev prints comes before the server listens, this line after.
      if (line.includes('"msg":"listening"')) {
        resolve();
      }
    });
    exited.then(([code]) => reject(new Error(`usergraph ${args[0]} ended with ${code}:\n${lines.join('\n')}`)), reject);
  });
  return {
    output: lines.join('\n'),
    logged: () => lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line)),
    async end() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function build(folder, program, module = '..') {
  const binary = join(folder, 'usergraph');
  execFileSync('go', ['build', '-o', binary, program], {
    cwd: fileURLToPath(new URL(module, import.meta.url)),
    stdio: 'inherit',
  });
  return binary;
}
