import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../examples/nextjs/', import.meta.url));
const next = `${folder}node_modules/next/dist/bin/next`;

/** Builds examples/nextjs for a server that startUsergraph has started, and serves it on a port that is free. */
export async function startApp({ url, supabaseURL, publishableKey }) {
  if (!existsSync(next)) {
    throw new Error('examples/nextjs has no packages yet: run npm ci there');
  }
  const options = {
    cwd: folder,
    env: {
      ...process.env,
      NEXT_TELEMETRY_DISABLED: '1',
      NEXT_PUBLIC_SUPABASE_URL: supabaseURL,
      NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY: publishableKey,
      NEXT_PUBLIC_GRAPHQL_URL: `${url}/graphql`,
    },
  };
  execFileSync(process.execPath, [next, 'build'], { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
  const child = spawn(process.execPath, [next, 'start', '-H', '127.0.0.1', '-p', '0'], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const appURL = await new Promise((resolve, reject) => {
    let local;
    createInterface(child.stdout).on('line', line => {
      local ??= line.match(/Local:\s+(\S+)/)?.[1];
      if (line.includes('Ready')) {
        resolve(local);
      }
    });
    exited.then(([code]) => reject(new Error(`next start ended with ${code}`)), reject);
  });
  return {
    url: appURL,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
