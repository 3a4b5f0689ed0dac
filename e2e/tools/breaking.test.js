import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const schema = ['schema.graphqls', 'schema/engine.graphqls'].map(file => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).join('\n');
const withoutName = schema.replace(/^type User \{[^}]*\}/m, user => user.replace(/\n.*\n  fullName: String\n/, '\n'));
const withAge = schema.replace('type User {', 'type User {\n  age: Int');

const folders = [];
after(() => folders.forEach(folder => rmSync(folder, { recursive: true, force: true })));

/** A repository with these versions of schema.graphqls, one a commit; a version may have a tag. */
function repository(...versions) {
  const folder = mkdtempSync(join(tmpdir(), 'usergraph-breaking-'));
  folders.push(folder);
  const git = (...args) => execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.com', ...args], { cwd: folder });
  git('init', '--quiet', '--initial-branch=main');
  for (const { text, tag } of versions) {
    writeFileSync(join(folder, 'schema.graphqls'), text);
    git('add', '.');
    git('commit', '--quiet', '--allow-empty', '--message=schema');
    if (tag) {
      git('tag', tag);
    }
  }
  return folder;
}

function check(folder) {
  const script = fileURLToPath(new URL('breaking.js', import.meta.url));
  return new Promise(resolve =>
    execFile('node', [script, folder], (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr })),
  );
}

describe('a change of schema.graphqls', { concurrency: true }, () => {
  test('that takes a field away fails, and says which', async () => {
    assert.notEqual(withoutName, schema);
    const { code, output } = await check(repository({ text: schema }, { text: withoutName }));
    assert.equal(code, 1, output);
    assert.match(output, /Field fullName was removed from object type User/);
  });

  test('that adds a field is fine', async () => {
    const { code, output } = await check(repository({ text: schema }, { text: withAge }));
    assert.equal(code, 0, output);
    assert.match(output, /Field age was added to object type User/);
  });

  test('counts since the last tag', async () => {
    const { code, output } = await check(repository({ text: schema, tag: 'v1.0.0' }, { text: withoutName }, { text: withoutName }));
    assert.equal(code, 1, output);
    assert.match(output, /compared with v1\.0\.0/);
  });

  test('on a branch counts since it left main, whatever main does', async () => {
    const folder = repository({ text: schema }, { text: withAge });
    execFileSync('git', ['checkout', '--quiet', '-b', 'branch', 'HEAD~1'], { cwd: folder });
    writeFileSync(join(folder, 'schema.graphqls'), withoutName);
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '--all', '--message=schema'], { cwd: folder });
    const changed = await check(folder);
    assert.equal(changed.code, 1, changed.output);
    assert.match(changed.output, /1 breaking change/);
  });

  test('that cannot be compared fails', async () => {
    const { code, output } = await check(repository({ text: schema }));
    assert.equal(code, 2, output);
    assert.match(output, /fetch the history/);
  });
});
