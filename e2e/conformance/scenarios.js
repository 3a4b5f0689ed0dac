// The scenarios of the conformance suite: how many checks of each pass, or why it does not apply. docs/agents.md has the table.

const tool = 'it calls a tool of the suite\'s own server: tools here are operations, which answer JSON as text';
const fromServer = 'it needs messages from the server to the client: a server without sessions sends none';
const onlyTools = 'there are tools only, and no other capability is announced';
const schemas = 'schemas are made of GraphQL types, which need no such keywords';
const sessions = 'there are no sessions, so no stream that could be resumed';

/** Version 0.1.16, with the protocol of 2025-11-25. */
export const released = {
  'server-initialize': 1,
  ping: 1,
  'tools-list': 1,
  'tools-call-simple-text': 1,
  'tools-call-error': 1,
  'dns-rebinding-protection': 2,
  'tools-call-image': tool,
  'tools-call-audio': tool,
  'tools-call-embedded-resource': tool,
  'tools-call-mixed-content': tool,
  'json-schema-2020-12': schemas,
  'server-sse-polling': sessions,
  'server-sse-multiple-streams': sessions,
  'tools-call-with-logging': fromServer,
  'tools-call-with-progress': fromServer,
  'tools-call-sampling': fromServer,
  'tools-call-elicitation': fromServer,
  'elicitation-sep1034-defaults': fromServer,
  'elicitation-sep1330-enums': fromServer,
  'logging-set-level': fromServer,
  'completion-complete': onlyTools,
  'resources-list': onlyTools,
  'resources-read-text': onlyTools,
  'resources-read-binary': onlyTools,
  'resources-templates-read': onlyTools,
  'resources-subscribe': onlyTools,
  'resources-unsubscribe': onlyTools,
  'prompts-list': onlyTools,
  'prompts-get-simple': onlyTools,
  'prompts-get-with-args': onlyTools,
  'prompts-get-embedded-resource': onlyTools,
  'prompts-get-with-image': onlyTools,
};

/** Version 0.2.0-alpha.12, with the protocol of 2026-07-28. Scenarios that are not here need what is not announced. */
export const next = {
  'server-stateless': 22,
  'http-header-validation': 14,
  caching: 4,
  'tools-list': 4,
  'tools-call-simple-text': 2,
  'tools-call-error': 2,
  'dns-rebinding-protection': 2,
};

/** Checks of these scenarios that cannot pass, and why. */
export const inapplicable = {
  'sep-2575-server-rejects-undeclared-capability': 'no tool needs a capability of the client',
  'sep-2575-missing-capability-http-400': 'no tool needs a capability of the client',
  'sep-2575-http-server-no-independent-requests-on-stream': fromServer,
  'sep-2549-prompts-list-caching-hints': onlyTools,
  'sep-2549-resources-list-caching-hints': onlyTools,
  'sep-2549-resources-templates-list-caching-hints': onlyTools,
};
