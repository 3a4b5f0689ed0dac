import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../examples/nextjs/', import.meta.url));
const next = `${folder}node_modules/next/dist/bin/next`;

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Builds examples/nextjs for a server that runs, and serves it. */
export async function startApp({ url, supabaseURL, publishableKey }, port = 0) {
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
  const child = spawn(process.execPath, [next, 'start', '-H', '127.0.0.1', '-p', String(port)], {
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
