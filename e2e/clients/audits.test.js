import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { startUsergraph } from '../usergraph.js';

let usergraph;
before(async () => { usergraph = await startUsergraph(); });
after(() => usergraph?.stop());

// GraphQL over HTTP, as the authors of graphql-http read it: what servers MUST, SHOULD and MAY do.
const audits = serverAudits({ url: () => `${usergraph.url}/graphql` });

test('all audits are here', () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, 'ok', result.reason);
  });
}
