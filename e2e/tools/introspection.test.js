import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { buildSchema, getIntrospectionQuery, GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';

import { startServe, startUsergraph } from '../usergraph.js';
import { inOrder, introspection } from './coercion.js';

/** Runs a tool of this package and returns what it prints. */
async function run(tool, ...args) {
  const { stdout } = await promisify(execFile)(fileURLToPath(new URL(`node_modules/.bin/${tool}`, import.meta.url)), args, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    // Rover would tell its makers that it was used, and keep files at home.
    env: { ...process.env, APOLLO_TELEMETRY_DISABLED: '1', APOLLO_CONFIG_HOME: folder, NO_COLOR: '1' },
  });
  return stdout;
}

/** Each reads the schema from an endpoint, and returns it as a document. */
const tools = {
  'get-graphql-schema': endpoint => run('get-graphql-schema', endpoint),
  rover: endpoint => run('rover', 'graph', 'introspect', endpoint, '--skip-update-check'),
  async 'graphql-inspector'(endpoint) {
    const target = join(folder, 'inspector.graphql');
    await run('graphql-inspector', 'introspect', endpoint, '--write', target);
    return readFileSync(target, 'utf8');
  },
  async 'graphql-codegen'(endpoint) {
    const [config, target] = [join(folder, 'codegen.json'), join(folder, 'codegen.graphql')];
    writeFileSync(config, JSON.stringify({ schema: endpoint, generates: { [target]: { plugins: ['schema-ast'] } } }));
    await run('graphql-codegen', '--config', config);
    return readFileSync(target, 'utf8');
  },
  async 'gql.tada'(endpoint) {
    const target = join(folder, 'tada.graphql');
    await run('gql.tada', 'generate-schema', endpoint, '--output', target);
    return readFileSync(target, 'utf8');
  },
};

/**
 * Two schemas that mean the same print the same. Directives that a server adds by itself are left out, and so is white
 * space, as some tools break long descriptions.
 */
function normal(document) {
  const config = buildSchema(document).toConfig();
  const names = buildSchema(printed).getDirectives().map(({ name }) => name);
  return printSchema(lexicographicSortSchema(new GraphQLSchema({
    ...config,
    directives: config.directives.filter(({ name }) => names.includes(name)),
  }))).replace(/\s+/g, ' ');
}

let dev, printed, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'usergraph-tools-'));
  dev = await startUsergraph();
  printed = execFileSync(dev.binary, ['schema'], { encoding: 'utf8' });
});
after(async () => {
  await dev?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('usergraph schema prints the committed files', () => {
  const files = ['schema.graphqls', 'schema/engine.graphqls'].map(file => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
  assert.equal(printed, files.join('\n'));
});

describe('the schema that the running server tells is that of usergraph schema, to', { concurrency: 2 }, () => {
  for (const [name, readSchema] of Object.entries(tools)) {
    test(name, async () => {
      assert.equal(normal(await readSchema(`${dev.url}/graphql`)), normal(printed));
    });
  }
});

test('the running server tells all that graphql-js tells of the schema, and nothing else', async () => {
  const { query, data } = introspection(buildSchema(printed));
  const answer = await fetch(`${dev.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  assert.deepEqual(inOrder((await answer.json()).data), inOrder(JSON.parse(JSON.stringify(data))));
});

test('a server in production tells nothing', async () => {
  const serve = await startServe(dev);
  try {
    const answer = await fetch(`${serve.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery() }),
    });
    const { data, errors } = await answer.json();
    assert.equal(data?.__schema ?? null, null);
    assert.equal(errors.length, 1);
  } finally {
    await serve.stop();
  }
});
