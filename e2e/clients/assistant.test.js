import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as ai6 from 'ai6';
import * as ai7 from 'ai7';
import { startAssistant } from '../usergraph.js';
import { tokenOf } from './ask.js';

const ada = 'a0000000-0000-4000-8000-000000000001';

// useChat of @ai-sdk/react reads by these: the transport checks each event strictly, the reader makes messages of them.
describe('the stream of examples/assistant', () => {
  let server, token;
  before(async () => {
    server = await startAssistant();
    token = await tokenOf(server, ada);
  });
  after(() => server?.stop());

  async function graphql(query, variables) {
    const answer = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined);
    return data;
  }

  const newThread = async () => (await graphql('mutation { createThread(input: {title: "A thread"}) { id } }')).createThread.id;

  for (const [name, ai] of Object.entries({ ai6, ai7 })) {
    const send = (thread, text, abortSignal) =>
      new ai.DefaultChatTransport({
        api: `${server.url}/chat`,
        headers: { Authorization: `Bearer ${token}` },
        prepareSendMessagesRequest: ({ id, messages, headers }) => ({ headers, body: { thread: id, text: messages.at(-1).parts[0].text } }),
      }).sendMessages({
        chatId: thread,
        trigger: 'submit-message',
        messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text }] }],
        abortSignal,
      });

    test(`${name}: text and tools`, async () => {
      const thread = await newThread();
      let message;
      const stream = await send(thread, 'What did I note about Museum Island?');
      for await (const state of ai.readUIMessageStream({ stream, terminateOnError: true })) {
        message = state;
      }
      const [begin, tool, next, text] = message.parts;
      assert.equal(message.parts.length, 4);
      assert.deepEqual([begin.type, next.type], ['step-start', 'step-start']);
      assert.equal(tool.type, 'tool-SearchNotes');
      assert.equal(tool.state, 'output-available');
      assert.deepEqual(tool.input, { query: 'Museum Island' });
      assert.match(tool.output.searchNotes[0].body, /Thursdays/);
      assert.equal(text.text, 'You noted: “Berlin: Museum Island is open until 20:00 on Thursdays”.');
      const { messages } = await graphql(`{ messages(filter: {threadId: {eq: "${thread}"}}) { nodes { author parts } } }`);
      assert.deepEqual(messages.nodes.map(({ author }) => author), ['ASSISTANT', 'USER']);
      assert.equal(messages.nodes[0].parts.at(-1).text, text.text);
    });

    test(`${name}: a refusal`, async () => {
      await assert.rejects(send('999999', 'Hello'), /"code":"NOT_FOUND"/);
    });

    test(`${name}: a client that stops`, async () => {
      const thread = await newThread();
      const leaving = new AbortController();
      const reader = (await send(thread, 'Count to 900', leaving.signal)).getReader();
      for (let read; read?.value?.delta !== '3 '; ) {
        read = await reader.read();
        assert.equal(read.done, false);
      }
      leaving.abort();
      await assert.rejects(async () => {
        while (!(await reader.read()).done);
      }, { name: 'AbortError' });
      const latest = `{ messages(first: 1, filter: {threadId: {eq: "${thread}"}}) { nodes { author ending parts } } }`;
      let message;
      do {
        [message] = (await graphql(latest)).messages.nodes;
      } while (message.author !== 'ASSISTANT');
      assert.equal(message.ending, 'STOPPED');
      assert.match(message.parts[0].text, /^1 2 3 /);
    });
  }
});
