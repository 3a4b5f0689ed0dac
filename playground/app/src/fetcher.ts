import type { ComponentProps } from 'react';
import type { GraphiQLProvider } from '@graphiql/react';
import { parse, type ExecutionResult, type FormattedExecutionResult, type OperationDefinitionNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { takeDebug, type Answers, type Tell } from './answers';
import type { Config } from './config';
import type { Session } from './session';

type Fetcher = ComponentProps<typeof GraphiQLProvider>['fetcher'];
type Params = Parameters<Fetcher>[0];
type Request = Omit<Params, 'operationName'> & { operationName?: string };
type Headers = Record<string, string>;

// Only these: with multipart/mixed or text/event-stream in the list, a server may answer a query with a stream.
const accept = 'application/graphql-response+json, application/json';

/** Sends what GraphiQL asks for as the session's caller: queries and mutations by POST, subscriptions by websocket. */
export function createFetcher(config: Config, session: Session, answers: Answers): Fetcher {
  const endpoint = new URL(config.endpoint, document.baseURI).href;
  const subscriptionEndpoint = new URL(config.subscriptionEndpoint, document.baseURI).href.replace(/^http/, 'ws');

  /** The header editor has the last word. */
  async function headersFor(fromEditor: Headers = {}): Promise<Headers> {
    const token = await session.token();
    return lowerCased({ ...config.headers, ...(token && { authorization: `Bearer ${token}` }) }, fromEditor);
  }

  return async (params, options) => {
    const fromEditor = options?.headers as Headers | undefined;
    const operation = operationOf(params);
    // GraphiQL asks for the schema without naming a document.
    const tell = options && 'documentAST' in options ? answers.begin() : () => {};
    const request = { ...params, operationName: operation?.name?.value };
    if (operation?.operation === 'subscription') {
      return subscribe(subscriptionEndpoint, request, () => headersFor(fromEditor), tell);
    }
    return post(endpoint, request, await headersFor(fromEditor), tell);
  };
}

/** Header names count once, whatever their case. */
function lowerCased(...sets: Headers[]): Headers {
  return Object.fromEntries(sets.flatMap(Object.entries).map(([name, value]) => [name.toLowerCase(), value]));
}

/**
 * The operation to run: the one that is named, or the only one. Just after a change of tab, GraphiQL still names that of
 * the tab before. Undefined is for the server to complain about.
 */
function operationOf({ query, operationName }: Params): OperationDefinitionNode | undefined {
  try {
    const operations = parse(query).definitions.filter(d => d.kind === 'OperationDefinition');
    const named = operations.find(operation => operation.name?.value === operationName);
    return named ?? (operations.length === 1 ? operations[0] : undefined);
  } catch {
    return undefined;
  }
}

async function post(endpoint: string, request: Request, headers: Headers, tell: Tell): Promise<ExecutionResult> {
  const began = performance.now();
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { accept, 'content-type': 'application/json', 'x-usergraph-debug': '1', ...headers },
      // The caller is who the page shows, not whose cookie the browser has.
      credentials: 'omit',
      body: JSON.stringify(request),
    });
  } catch {
    tell({ state: 'failed' });
    throw plainError(`${endpoint} cannot be reached`);
  }
  const text = await response.text();
  const milliseconds = performance.now() - began;
  const status = `${response.status} ${response.statusText}`.trim();
  try {
    const result: ExecutionResult = JSON.parse(text);
    tell({ state: 'answered', status, milliseconds, errors: result.errors?.length, debug: takeDebug(result) });
    return result;
  } catch {
    tell({ state: 'failed', status, milliseconds });
    throw plainError(`${endpoint} answered ${response.status}: ${text.trim()}`);
  }
}

/** One connection for each subscription: it begins with the token of that moment, and so does every reconnection. */
function subscribe(url: string, request: Request, connectionParams: () => Promise<Headers>, tell: Tell) {
  let wasConnected = false;
  const client = createClient({
    url,
    connectionParams,
    // A server that restarts is worth waiting for, one that takes no websockets is not.
    shouldRetry: () => wasConnected,
    on: { connected: () => (wasConnected = true) },
  });
  return readable(client.iterate(request), tell);
}

/**
 * The results, with errors in words. This is no generator, because the end of a generator waits for the result that it
 * waits for.
 */
function readable(results: AsyncIterableIterator<FormattedExecutionResult>, tell: Tell) {
  let answers = 0;
  let at: Date | undefined;
  tell({ state: 'live', answers });
  return {
    async next() {
      try {
        const result = await results.next();
        if (result.done) {
          tell({ state: 'ended', answers, at });
        } else {
          answers++;
          at = new Date();
          tell({ state: 'live', answers, at, errors: result.value.errors?.length, debug: takeDebug(result.value) });
        }
        return result;
      } catch (error) {
        tell({ state: 'failed', answers, at });
        return explain(error);
      }
    },
    return() {
      tell({ state: 'ended', answers, at });
      return results.return!();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  } as AsyncIterableIterator<ExecutionResult>;
}

function explain(error: unknown): never {
  if (error instanceof CloseEvent) {
    throw plainError(
      error.code === 1006
        ? 'The websocket could not be opened, or the connection was lost'
        : `The server closed the websocket: ${error.code} ${error.reason}`,
    );
  }
  throw error instanceof Event ? plainError('The websocket could not be opened') : error;
}

/** GraphiQL prints errors whole: the stack would hide the message. */
function plainError(message: string): Error {
  const error = new Error(message);
  delete error.stack;
  return error;
}
