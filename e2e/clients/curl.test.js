import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { tokenOf } from './ask.js';
import { startUsergraph } from '../usergraph.js';

let usergraph, ada;
before(async () => {
  usergraph = await startUsergraph();
  ada = await tokenOf(usergraph, 'ada@example.com');
});
after(() => usergraph?.stop());

/** The curl commands of a page, as `$ curl …` and the lines that they print. */
function examples(page) {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  const found = [];
  for (const [, block] of text.matchAll(/^```console\n(.*?)^```/gms)) {
    for (const command of block.split(/^\$ /m)) {
      if (!command.startsWith('curl ')) continue;
      const end = command.search(/(?<!\\)\n/);
      found.push({ command: command.slice(0, end), output: command.slice(end + 1).trim() });
    }
  }
  return found;
}

for (const page of ['README.md', 'docs/errors.md', 'docs/security.md']) {
  const found = examples(page);
  test(`${page} has examples`, () => assert.ok(found.length > 0));
  for (const { command, output } of found) {
    test(`${page}: ${command}`, () => {
      const here = command
        .replaceAll('http://127.0.0.1:8080', usergraph.url)
        .replaceAll('$(go run . token)', ada);
      assert.equal(execFileSync('sh', ['-c', here], { encoding: 'utf8' }).trim(), output);
    });
  }
}
