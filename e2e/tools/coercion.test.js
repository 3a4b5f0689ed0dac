import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { committedFile, files, randomCases, write } from './coercion.js';

test('the committed files are what this graphql-js answers: node coercion.js writes them', async () => {
  for (const [name, content] of Object.entries(await files())) {
    assert.equal(committedFile(name), content, name);
  }
});

test('the server answers documents and variables that nobody has seen as graphql-js does', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  const folder = mkdtempSync(join(tmpdir(), 'usergraph-coercion-'));
  try {
    const corpus = join(folder, 'coercion.jsonl');
    writeFileSync(corpus, write(await randomCases({ seed, count: 2000 })));
    execFileSync('go', ['test', '-count=1', './endpoint', '-run', '^TestCoercion$', '-corpus', corpus], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: 'inherit',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
