// What graphql-js makes of documents and variables over the schema of internal/wideschema: `node coercion.js` writes
// testdata that `go test ./endpoint` compares the server with.
//
// A case is a document and its variables, as JSON text, and the answer. Answers are written short: an error is a message,
// its locations, and its path if it has one.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import {
  buildSchema, execute, getIntrospectionQuery, GraphQLNonNull, getVariableValues, graphqlSync, isInputObjectType, isListType,
  isNonNullType, parse, subscribe, validate,
} from 'graphql';

export const sdl = readFileSync(new URL('../../internal/wideschema/schema.graphqls', import.meta.url), 'utf8');
export const schema = buildSchema(sdl);

const testdata = name => fileURLToPath(new URL(`../../endpoint/testdata/${name}`, import.meta.url));

/** The cases that are committed. More of them are compared by coercion.test.js. */
export const committed = { seed: 15, count: 300 };

// Fields answer with the arguments that they were given, names sorted and nulls left out, as wide_test.go has it.
const sorted = value =>
  Array.isArray(value) ? value.map(sorted)
  : value && typeof value === 'object' ? Object.fromEntries(Object.keys(value).sort().map(name => [name, sorted(value[name])]))
  : value;
const echo = args => JSON.stringify(sorted(Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null))));
const many = first => Array.from({ length: Math.min(Math.max(first, 0), 3) }, () => node);
const text = args => echo(args);
const node = {
  __typename: 'Node',
  name: text,
  echo: text,
  strict: text,
  node: ({ id }) => (id === 'none' ? null : node),
  nodes: ({ first }) => many(first),
  named: () => node,
};
const leaf = { __typename: 'Leaf', name: text };
const either = args => (args.leaf ? leaf : node);
const root = {
  nullable: text, required: text, defaults: text, lists: text, inputs: text, plain: text, strict: text, old: text, add: text,
  node: ({ id }) => (id === 'none' ? null : node),
  nodes: ({ first }) => many(first),
  named: either,
  thing: either,
  async *count({ to }) {
    yield { count: to };
  },
};

const short = ({ message, locations = [], path }) => [message, locations.map(({ line, column }) => `${line}:${column}`), ...(path ? [path] : [])];

/** What graphql-js answers: to a document that is not valid, to variables that are not, or to an operation. */
export async function answer({ query, variables }) {
  const document = parse(query);
  const invalid = validate(schema, document);
  if (invalid.length > 0) {
    return { invalid: invalid.map(short) };
  }
  const operation = document.definitions.find(({ kind }) => kind === 'OperationDefinition');
  const variableValues = JSON.parse(variables);
  const { errors: wrong } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues);
  if (wrong) {
    return { variables: wrong.map(short) };
  }
  const run = operation.operation === 'subscription' ? subscribe : execute;
  let result = await run({ schema, document, rootValue: root, variableValues });
  if (result[Symbol.asyncIterator]) {
    ({ value: result } = await result.next());
  }
  return { ...('data' in result ? { data: result.data } : {}), ...(result.errors ? { errors: result.errors.map(short) } : {}) };
}

// mulberry32: the same seed makes the same cases.
function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    chance: share => next() < share,
    one: list => list[Math.floor(next() * list.length)],
    upTo: most => Math.floor(next() * (most + 1)),
  };
}

// Values that fit a scalar or an enum, and values that may not, as they are written in documents and in JSON.
const literals = {
  Int: [['1', '-7', '0', '2147483647', '-2147483648'], ['2147483648', '-2147483649', '99999999999999999999', '1.0', '1e3', '"1"', 'true', 'RED', '{}', '[1]']],
  Float: [['1', '1.5', '-0.25', '1e3', '4294967296'], ['"1.5"', 'true', 'RED', '{x: 1}', '[]']],
  String: [['"a"', '""', '"é \\n \\"q\\""'], ['1', '1.5', 'true', 'RED', '{x: 1}', '["a"]']],
  Boolean: [['true', 'false'], ['1', '0', '"true"', 'RED', '{}', '[true]']],
  ID: [['"a"', '4', '"4"', '99999999999999999999'], ['1.5', 'true', 'RED', '{}', '[4]']],
  Color: [['RED', 'GREEN', 'BLUE'], ['red', 'PURPLE', '"RED"', '1', 'true', '{}', '[RED]']],
  Anything: [['1', '"a"', 'true', 'RED', '[1, [2], {a: 3}]', '{b: [1.5], a: null}', '99999999999999999999'], []],
  Plain: [['"2026-01-02T03:04:05Z"'], []],
};
const values = {
  Int: [['1', '-7', '0', '2147483647', '-2147483648', '1.0', '1e3'], ['2147483648', '-2147483649', '1e10', '1.5', '"1"', '""', 'true', '{}', '[1]', '{"x":1}']],
  Float: [['1', '1.5', '-0.25', '1e3', '1e21', '1e-7', '4294967296'], ['"1.5"', '"a"', 'true', '{}', '[]']],
  String: [['"a"', '""', '"é \\n \\"q\\" <&>"'], ['1', '1.5', 'true', '{}', '[]', '["a"]']],
  Boolean: [['true', 'false'], ['1', '0', '"true"', '""', '{}', '[true]']],
  ID: [['"a"', '4', '"4"', '1.0', '-3', '1e21'], ['1.5', 'true', '{}', '[4]']],
  Color: [['"RED"', '"GREEN"', '"BLUE"'], ['"red"', '"PURPLE"', '1', 'true', '{}', '["RED"]', '""']],
  Anything: [['1', '"a"', 'true', '[1,[2],{"a":3}]', '{"a":null,"b":[1.5]}', '1.5'], []],
  Plain: [['"2026-01-02T03:04:05Z"'], []],
};

const inner = type => (isNonNullType(type) ? type.ofType : type);

/** Writes one random case. */
class Writer {
  constructor(random, wrong) {
    Object.assign(this, { random, wrong, variables: [], fragments: [], names: 0 });
  }

  /** A value of a variable, in JSON. The names in an object are sorted, as the server's errors have them. */
  json(type, depth = 0) {
    const { random } = this;
    if (isNonNullType(type)) {
      return random.chance(this.wrong) ? 'null' : this.json(type.ofType, depth);
    }
    if (random.chance(0.15)) {
      return 'null';
    }
    if (isListType(type)) {
      if (random.chance(0.2)) {
        return this.json(inner(type.ofType), depth); // a list of one
      }
      return `[${Array.from({ length: random.upTo(random.chance(0.05) ? 12 : 2) }, () => this.json(type.ofType, depth)).join(',')}]`;
    }
    if (isInputObjectType(type)) {
      if (random.chance(this.wrong)) {
        return random.one(['1', '"a"', '[]', 'true', '[[]]']);
      }
      const members = [];
      for (const { name, type: of } of this.members(type, depth)) {
        members.push([name, this.json(type.isOneOf && !random.chance(this.wrong) ? withoutNull(of) : of, depth + 1)]);
      }
      if (random.chance(this.wrong)) {
        members.push([random.one(['z', 'labl', 'poinst', '__typename', 'name']), '1']);
      }
      const unique = new Map(members.sort(([a], [b]) => (a < b ? -1 : 1)));
      return `{${[...unique].map(([name, value]) => `"${name}":${value}`).join(',')}}`;
    }
    return random.one(values[type.name][random.chance(this.wrong) && values[type.name][1].length > 0 ? 1 : 0]);
  }

  /** The fields of an input object that get a value. */
  members(type, depth) {
    const { random } = this;
    const fields = Object.values(type.getFields());
    if (type.isOneOf) {
      return random.chance(this.wrong) ? fields.filter(() => random.chance(0.6)) : [random.one(fields)];
    }
    return fields.filter(({ type: of, defaultValue }) =>
      isNonNullType(of) && defaultValue === undefined ? !random.chance(this.wrong)
      : random.chance(isInputObjectType(of) && depth > 1 ? 0 : 0.35));
  }

  /** A value in a document. With place, which says whether the place has a default, it may have variables. */
  literal(type, place, depth = 0, unwrapped = false) {
    const { random } = this;
    if (place && !unwrapped && random.chance(depth === 0 ? 0.6 : 0.45)) {
      return this.variable(type, place);
    }
    if (isNonNullType(type)) {
      return random.chance(this.wrong) ? 'null' : this.literal(type.ofType, place, depth, true);
    }
    if (random.chance(0.1)) {
      return 'null';
    }
    const below = place && { hasDefault: false };
    if (isListType(type)) {
      if (random.chance(0.2)) {
        return this.literal(inner(type.ofType), undefined, depth);
      }
      return `[${Array.from({ length: random.upTo(2) }, () => this.literal(type.ofType, below, depth + 1)).join(', ')}]`;
    }
    if (isInputObjectType(type)) {
      if (random.chance(this.wrong)) {
        return random.one(['1', '"a"', 'RED', '[]']);
      }
      const members = this.members(type, depth).map(({ name, type: of, defaultValue }) =>
        type.isOneOf
          ? `${name}: ${this.literal(random.chance(this.wrong) ? of : withoutNull(of), undefined, depth + 1)}`
          : `${name}: ${this.literal(of, place && { hasDefault: defaultValue !== undefined }, depth + 1)}`);
      if (random.chance(this.wrong)) {
        members.push(`${random.one(['z', 'labl', 'poinst', '__typename'])}: 1`);
      }
      return `{${members.join(', ')}}`;
    }
    return random.one(literals[type.name][random.chance(this.wrong) && literals[type.name][1].length > 0 ? 1 : 0]);
  }

  /** Declares a variable for a place, most often one that the place allows. */
  variable(type, { hasDefault }) {
    const { random } = this;
    const nullable = inner(type);
    let [declared, fallback] = [type, undefined];
    if (random.chance(0.75)) {
      declared = nullable;
    }
    if (declared === nullable && isNonNullType(type) && (!hasDefault || random.chance(0.5)) && !random.chance(this.wrong)) {
      fallback = this.literal(type);
    } else if (random.chance(0.2)) {
      fallback = this.literal(declared);
    }
    const name = `v${this.variables.length}`;
    const required = isNonNullType(declared) && fallback === undefined;
    const given = random.chance(required ? 0.95 : 0.7) ? (random.chance(0.45) && !isNonNullType(declared) ? 'null' : this.json(declared)) : undefined;
    this.variables.push({ name, declared, fallback, given });
    return `$${name}`;
  }

  directives() {
    const { random } = this;
    if (!random.chance(0.2)) {
      return '';
    }
    const of = schema.getDirective('skip').args[0].type;
    const one = name => ` @${name}(if: ${random.chance(0.7) ? this.variable(of, { hasDefault: false }) : random.one(['true', 'false'])})`;
    return random.chance(0.15) ? random.one([one('skip') + one('include'), one('include') + one('skip')]) : one(random.one(['skip', 'include']));
  }

  field(type, depth, directives = this.directives()) {
    const { random } = this;
    const fields = Object.values(type.getFields()).filter(({ type: of }) => depth < 3 || !('getFields' in inner(of)));
    const { name, args, type: of } = random.one(fields);
    const given = args
      .filter(({ type, defaultValue }) => (isNonNullType(type) && defaultValue === undefined ? !random.chance(this.wrong) : random.chance(0.5)))
      .map(({ name, type, defaultValue }) => `${name}: ${this.literal(type, { hasDefault: defaultValue !== undefined })}`);
    let named = of;
    while (named.ofType) {
      named = named.ofType;
    }
    const selections = 'getFields' in named || 'getTypes' in named ? ` ${this.selections(named, depth + 1)}` : '';
    return `f${this.names++}: ${name}${given.length > 0 ? `(${given.join(', ')})` : ''}${directives}${selections}`;
  }

  selections(type, depth) {
    const { random } = this;
    const parts = [];
    for (let i = random.upTo(depth === 0 ? 2 : 1); i >= 0; i--) {
      if ('getTypes' in type) {
        const of = random.one(type.getTypes());
        parts.push(`... on ${of.name}${this.directives()} ${this.selections(of, depth + 1)}`);
      } else if (random.chance(0.12)) {
        parts.push(`...${this.directives()} ${this.selections(type, depth + 1)}`);
      } else if (random.chance(0.1)) {
        const name = `F${this.names++}`;
        this.fragments.push(` fragment ${name} on ${type.name} ${this.selections(type, depth + 1)}`);
        parts.push(`...${name}${this.directives()}`);
      } else {
        parts.push(this.field(type, depth));
      }
    }
    return `{ ${parts.join(' ')} }`;
  }

  write() {
    const { random } = this; // no directives at the root of a subscription: graphql-js throws
    const kind = random.chance(0.75) ? 'query' : random.chance(0.8) ? 'mutation' : 'subscription';
    const type = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[kind];
    const selections = kind === 'subscription' ? `{ ${this.field(type, 0, '')} }` : this.selections(type, 0);
    const definitions = this.variables.map(({ name, declared, fallback }) => `$${name}: ${declared}${fallback === undefined ? '' : ` = ${fallback}`}`);
    return {
      query: `${kind}${definitions.length > 0 ? `(${definitions.join(', ')})` : ''}\n${selections}${this.fragments.join('\n')}`,
      variables: `{${this.variables.filter(({ given }) => given !== undefined).map(({ name, given }) => `"${name}":${given}`).join(',')}}`,
    };
  }
}

const withoutNull = type => (isNonNullType(type) ? type : new GraphQLNonNull(type));

/** Random cases. Most reach execution, and of these half have an error. */
export async function randomCases({ seed, count }) {
  const random = randomOf(seed);
  const wanted = { invalid: count * 0.15, variables: count * 0.2, errors: count * 0.4, data: count * 0.25 };
  const cases = [];
  while (cases.length < count) {
    const one = new Writer(random, random.one([0, 0, 0.05, 0.2])).write();
    if (one.query.length + one.variables.length > 600) {
      continue;
    }
    const result = await answer(one);
    const kind = Object.keys(wanted).find(kind => kind in result);
    if (wanted[kind] >= 1) {
      wanted[kind]--;
      cases.push({ ...one, answer: result });
    }
  }
  return cases;
}

/** Cases for each value of each scalar, in documents and variables, and for each place where null may not stand. */
export async function tableCases() {
  const cases = [];
  const add = (query, variables = '{}') => cases.push({ query, variables });
  const argument = { Int: 'int', Float: 'float', String: 'string', Boolean: 'boolean', ID: 'id', Color: 'color', Anything: 'any', Plain: 'plain' };
  for (const [type, name] of Object.entries(argument)) {
    for (const literal of [...literals[type].flat(), 'null']) {
      add(`{ nullable(${name}: ${literal}) }`);
      add(`query($v: ${type} = ${literal}) { nullable(${name}: $v) }`);
    }
    for (const value of [...values[type].flat(), 'null']) {
      add(`query($v: ${type}) { nullable(${name}: $v) }`, `{"v":${value}}`);
    }
  }
  const places = [
    ['Boolean', 'true', '{ plain @include(if: $v) }'],
    ['Boolean', 'true', '{ plain @skip(if: $v) }'],
    ['Boolean', 'true', '{ plain @skip(if: true) @include(if: $v) }'],
    ['Boolean', 'true', '{ plain @include(if: $v) @skip(if: true) }'],
    ['Boolean', 'true', '{ ... @include(if: $v) { plain } }'],
    ['Boolean', 'true', '{ ...F @include(if: $v) } fragment F on Query { plain }'],
    ['Boolean', 'true', '{ ...F ...F @include(if: $v) } fragment F on Query { plain }'],
    ['Boolean', 'true', '{ plain node { name @include(if: $v) } }'],
    ['Boolean', 'true', '{ plain node(id: "none") { name @include(if: $v) } }'],
    ['Boolean', 'true', '{ plain nodes { name @include(if: $v) } }'],
    ['Boolean', 'true', '{ node { nodes(first: 3) { name ... on Node @skip(if: $v) { name } } } }'],
    ['Boolean', 'true', '{ named { ...F } } fragment F on Named { name @include(if: $v) }'],
    ['Boolean', 'true', '{ plain ... on Query @skip(if: true) { strict @include(if: $v) } }'],
    ['Boolean', 'true', '{ node { name(upper: $v) } }'],
    ['Boolean', 'true', '{ a: named(leaf: $v) { __typename } b: plain }'],
    ['Int', '3', '{ required(int: $v, float: 1, string: "", boolean: true, id: 1, color: RED) plain }'],
    ['Int', '3', '{ defaults(int: $v) plain }'],
    ['Int', '3', '{ defaults(ints: [1, $v]) }'],
    ['Int', '3', '{ defaults(point: {x: $v}) }'],
    ['Int', '3', '{ defaults(point: {x: 1, y: $v}) }'],
    ['Int', '3', '{ lists(strict: [$v]) }'],
    ['Int', '3', '{ lists(ints: [$v, 1]) }'],
    ['Int', '3', '{ lists(nested: [[1], [$v, 2]]) }'],
    ['Int', '3', '{ inputs(shape: {points: [{x: 1}, {x: 2, y: $v}]}) }'],
    ['Int', '3', '{ inputs(shape: {inner: {inner: {center: {x: $v}}}}) }'],
    ['Int', '3', '{ inputs(choice: {int: $v}) }'],
    ['Int', '3', '{ strict(int: $v) plain }'],
    ['Int', '3', '{ node { a: strict(int: $v) } plain }'],
    ['Int', '3', '{ nodes { a: strict(int: $v) } }'],
    ['Int', '3', '{ node { nodes { a: strict(int: $v) } } }'],
    ['Int', '3', '{ ...F b: node { ...G } } fragment F on Query { strict(int: $v) } fragment G on Node { echo(int: $v) }'],
    ['Int', '3', '{ node { echo(ints: [$v], point: {x: $v}, int: $v) } }'],
    ['Int', '3', '{ nullable(any: {a: $v, b: {c: $v}}) }'],
    ['[Int!]', '[3]', '{ defaults(ints: $v) }'],
    ['[[Int!]!]', '[[3]]', '{ lists(nested: $v) }'],
    ['[Int!]', '[3]', '{ lists(nested: [$v]) }'],
    ['Point', '{x: 3}', '{ defaults(point: $v) }'],
    ['Point', '{x: 3}', '{ inputs(shape: {center: $v, points: [$v]}) }'],
    ['Color', 'RED', '{ inputs(shape: {colors: [BLUE, $v]}) }'],
    ['ID', '3', '{ node(id: $v) { id: name } }'],
    ['Boolean', 'true', '{ inputs(shape: {flag: $v, ids: [99999999999999999999, "7", 7]}) }'],
  ];
  const given = { Boolean: 'false', Int: '4', '[Int!]': '[4]', '[[Int!]!]': '[[4]]', Point: '{"x":4}', Color: '"GREEN"', ID: '"i"' };
  for (const [type, fallback, selections] of places) {
    for (const variables of ['{}', '{"v":null}', `{"v":${given[type]}}`]) {
      for (const declared of [`${type} = ${fallback}`, type, `${type}! = ${fallback}`]) {
        add(`query($v: ${declared}) ${selections}`, variables);
      }
    }
  }
  for (const selections of ['{ add(int: $v) }', '{ a: add b: strict(int: $v) c: add(point: {x: $v}) }', '{ add ... @include(if: $b) { b: add } }', '{ node { echo(int: $v) } }', '{ node { name @include(if: $b) } }']) {
    add(`mutation($v: Int = 1, $b: Boolean = true) ${selections}`.replace(selections.includes('$b') ? '$v: Int = 1, ' : ', $b: Boolean = true', ''), selections.includes('$b') ? '{"b":null}' : '{"v":null}');
  }
  add('subscription($v: Int = 1) { count(to: $v) }', '{"v":null}');
  add('subscription($v: Int = 1) { count(to: $v) }');
  const unique = [...new Map(cases.map(one => [one.query + one.variables, one])).values()];
  return Promise.all(unique.map(async one => ({ ...one, answer: await answer(one) })));
}

export const write = cases => cases.map(one => JSON.stringify(one) + '\n').join('');

/**
 * What graphql-js tells of a schema when it is asked for everything, but for deprecated directives, which are only in the
 * draft of the specification, and which the server does not know.
 */
export function introspection(of) {
  const query = getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true });
  const { data } = graphqlSync({ schema: of, source: query });
  const field = (type, name) => data.__schema.types.find(({ name }) => name === type).fields.find(field => field.name === name);
  const directive = data.__schema.types.find(({ name }) => name === '__Directive');
  directive.fields = directive.fields.filter(({ name }) => name !== 'isDeprecated' && name !== 'deprecationReason');
  field('__Schema', 'directives').args = [];
  return { query, data };
}

/** An answer to that query in an order that does not matter: of types, directives and possible types. */
export function inOrder({ __schema: told }) {
  const byName = (a, b) => (a.name < b.name ? -1 : 1);
  return {
    ...told,
    types: told.types.map(type => ({ ...type, possibleTypes: type.possibleTypes?.toSorted(byName) ?? null })).sort(byName),
    directives: told.directives.toSorted(byName),
  };
}

/** The committed files, by their names. */
export async function files() {
  return {
    'coercion.jsonl': write([...await tableCases(), ...await randomCases(committed)]),
    'introspection.json': JSON.stringify(introspection(schema), null, 1) + '\n',
  };
}

export const committedFile = name => readFileSync(testdata(name), 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, content] of Object.entries(await files())) {
    writeFileSync(testdata(name), content);
  }
}
