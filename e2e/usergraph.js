import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Starts `usergraph dev` with a database of its own, on ports that are free, and with more arguments if given. The binary
 * is that of the environment variable USERGRAPH, or else built from this tree.
 */
export async function startUsergraph(...args) {
  const folder = mkdtempSync(join(tmpdir(), 'usergraph-e2e-'));
  // PostgreSQL runs as another user when this is root.
  chmodSync(folder, 0o755);
  const child = spawn(
    process.env.USERGRAPH ?? build(folder),
    ['dev', '--port', '0', '--auth-port', '0', '--data', join(folder, 'data'), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const banner = await new Promise((resolve, reject) => {
    const output = [];
    createInterface(child.stdout).on('line', line => {
      output.push(line);
      if (line.includes('"level":"ERROR"')) {
        console.error(line);
      }
      // The banner comes before the server listens, this line after.
      if (line.includes('listening')) {
        resolve(output.join('\n'));
      }
    });
    exited.then(([code]) => reject(new Error(`usergraph dev ended with ${code}:\n${output.join('\n')}`)), reject);
  });
  const read = pattern => banner.match(pattern)[1];
  return {
    url: read(/Playground\s+(\S+)\//),
    supabaseURL: read(/SUPABASE_URL\s+(\S+)/),
    publishableKey: read(/SUPABASE_PUBLISHABLE_KEY\s+(\S+)/),
    async stop() {
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function build(folder) {
  const binary = join(folder, 'usergraph');
  execFileSync('go', ['build', '-o', binary, '.'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
  });
  return binary;
}
