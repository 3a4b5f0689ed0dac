import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../examples/assistant/web/', import.meta.url));
const vite = `${web}node_modules/vite/bin/vite.js`;

/** Builds the page of examples/assistant for a server that startAssistant has started, and serves it on a port that is free. */
export async function startPage({ url, supabaseURL, publishableKey }) {
  if (!existsSync(vite)) {
    throw new Error('examples/assistant/web has no packages yet: run npm ci there');
  }
  const options = {
    cwd: web,
    env: {
      ...process.env,
      NO_COLOR: '1',
      VITE_SUPABASE_URL: supabaseURL,
      VITE_SUPABASE_PUBLISHABLE_KEY: publishableKey,
      VITE_API_URL: url,
    },
  };
  execFileSync(process.execPath, [vite, 'build'], { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
  return serve(process.execPath, [vite, 'preview'], options);
}

/** Serves the page from its sources by the command of docs/assistant.md, which installs its packages first. */
export function startSources() {
  return serve('npm', ['--prefix', 'web', 'start'], { cwd: `${web}..`, env: { ...process.env, NO_COLOR: '1' } });
}

async function serve(command, args, options) {
  // In a group of its own, since npm runs Vite by a shell.
  const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const url = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      const local = line.match(/Local:\s+(\S+)\//)?.[1];
      if (local) {
        resolve(local);
      }
    });
    exited.then(([code]) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}`)), reject);
  });
  return {
    url,
    async stop() {
      process.kill(-child.pid, 'SIGTERM');
      await exited;
    },
  };
}

/** Runs SQL as the superuser of a `usergraph dev`. */
export function runSQL({ data }, sql) {
  const { Superuser: password } = JSON.parse(readFileSync(join(data, 'postgres/passwords'), 'utf8'));
  const port = readFileSync(join(data, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[3];
  execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, '-c', sql]);
}
