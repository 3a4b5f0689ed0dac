// Fails if schema.graphqls and schema/*.graphqls have changed so that a client may break: npm run breaking.
//
// It is compared with the last tag; before there is one, with where the branch left main, and on main itself with the
// commit before.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const inspector = fileURLToPath(new URL('node_modules/.bin/graphql-inspector', import.meta.url));
const repository = resolve(process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url)));

/** What git prints, or '' if it fails. */
function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: repository, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

/** The files that make up the schema, among those that git lists, as one text. */
function schemaOf(files, read) {
  return files.split('\n').filter(file => /^schema(\.graphqls|\/[^/]+\.graphqls)$/.test(file)).map(read).join('\n');
}

const commit = name => git('rev-parse', '--verify', '--quiet', `${name}^{commit}`);
const candidates = [
  git('describe', '--tags', '--abbrev=0', 'HEAD'),
  git('merge-base', 'HEAD', 'origin/main'),
  git('merge-base', 'HEAD', 'main'),
  'HEAD~1',
];
const base = candidates.find(name => name && commit(name) && commit(name) !== commit('HEAD'));
if (!base) {
  console.error('there is nothing to compare schema.graphqls with: fetch the history (git fetch --unshallow --tags)');
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'usergraph-schema-'));
try {
  const [before, after] = ['before.graphqls', 'after.graphqls'].map(name => join(folder, name));
  writeFileSync(before, schemaOf(git('ls-tree', '-r', '--name-only', base), file => git('show', `${base}:${file}`)));
  writeFileSync(after, schemaOf(git('ls-files', '--cached', '--others', '--exclude-standard'), file => readFileSync(join(repository, file), 'utf8')));
  console.log(`the schema, compared with ${base}:`);
  process.exitCode = spawnSync(inspector, ['diff', before, after], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
