import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { buildSchema, parse, printSchema, validate } from 'graphql';

let folder, schema;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'usergraph-relay-'));
  // The schema of the engine's own tests has lists.
  const printed = execFileSync('go', ['run', './internal/testapi/server', 'schema'], { cwd: fileURLToPath(new URL('../..', import.meta.url)), encoding: 'utf8' });
  // Relay extends only types that it has read already.
  schema = printSchema(buildSchema(printed));
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'schema.graphql'), schema);
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript' }));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Compiles a module and returns an artifact. */
function compile(module, text, artifact) {
  writeFileSync(join(folder, `src/${module}.js`), `import { graphql } from 'react-relay';\nexport default graphql\`${text}\`;\n`);
  execFileSync(process.execPath, [fileURLToPath(new URL('node_modules/relay-compiler/cli.js', import.meta.url)), 'relay.config.json'], {
    cwd: folder, encoding: 'utf8', env: { ...process.env, FORCE_NO_WATCHMAN: '1' },
  });
  return readFileSync(join(folder, `src/__generated__/${artifact}.graphql.js`), 'utf8');
}

for (const [name, module, text] of [
  ['forward', 'TodoList', `
    fragment TodoList_query on Query @argumentDefinitions(count: { type: "Int", defaultValue: 3 }, cursor: { type: "String" })
    @refetchable(queryName: "TodoListPaginationQuery") {
      todos(first: $count, after: $cursor) @connection(key: "TodoList_todos") { edges { node { id title project { name } } } }
    }`],
  ['both ways', 'ProjectList', `
    fragment ProjectList_query on Query
    @argumentDefinitions(first: { type: "Int" }, after: { type: "String" }, last: { type: "Int" }, before: { type: "String" })
    @refetchable(queryName: "ProjectListPaginationQuery") {
      projects(first: $first, after: $after, last: $last, before: $before) @connection(key: "ProjectList_projects") { edges { node { id name } } }
    }`],
]) {
  test(`relay-compiler takes a list of pages, ${name}`, () => {
    const artifact = compile(module, text, `${module}PaginationQuery`);
    // What Relay sends is a document of the schema, with the fields that it adds to find the next page.
    const [, literal] = artifact.match(/"text": ("(?:[^"\\]|\\.)*")/);
    const document = JSON.parse(literal);
    assert.deepEqual(validate(buildSchema(schema), parse(document)), []);
    for (const added of ['cursor', 'pageInfo', 'endCursor', 'hasNextPage']) {
      assert.ok(document.includes(added), document);
    }
  });
}
