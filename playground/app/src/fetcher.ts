import type { ComponentProps } from 'react';
import type { GraphiQLProvider } from '@graphiql/react';
import { parse, type ExecutionResult, type OperationDefinitionNode } from 'graphql';
import { createClient } from 'graphql-ws';
import type { Config } from './config';
import type { Session } from './session';

type Fetcher = ComponentProps<typeof GraphiQLProvider>['fetcher'];
type Params = Parameters<Fetcher>[0];
type Request = Omit<Params, 'operationName'> & { operationName?: string };
type Headers = Record<string, string>;

// Only these: with multipart/mixed or text/event-stream in the list, a server may answer a query with a stream.
const accept = 'application/graphql-response+json, application/json';

/** Sends what GraphiQL asks for as the session's caller: queries and mutations by POST, subscriptions by websocket. */
export function createFetcher(config: Config, session: Session): Fetcher {
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
    const request = { ...params, operationName: operation?.name?.value };
    if (operation?.operation === 'subscription') {
      return subscribe(subscriptionEndpoint, request, () => headersFor(fromEditor));
    }
    return post(endpoint, request, await headersFor(fromEditor));
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

async function post(endpoint: string, request: Request, headers: Headers): Promise<ExecutionResult> {
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { accept, 'content-type': 'application/json', ...headers },
      // The caller is who the page shows, not whose cookie the browser has.
      credentials: 'omit',
      body: JSON.stringify(request),
    });
  } catch {
    throw plainError(`${endpoint} cannot be reached`);
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw plainError(`${endpoint} answered ${response.status}: ${text.trim()}`);
  }
}

/** One connection for each subscription: it begins with the token of that moment, and so does every reconnection. */
function subscribe(url: string, request: Request, connectionParams: () => Promise<Headers>) {
  let wasConnected = false;
  const client = createClient({
    url,
    connectionParams,
    // A server that restarts is worth waiting for, one that takes no websockets is not.
    shouldRetry: () => wasConnected,
    on: { connected: () => (wasConnected = true) },
  });
  return readable(client.iterate(request));
}

/**
 * The results, with errors in words. This is no generator, because the end of a generator waits for the result that it
 * waits for.
 */
function readable(results: AsyncIterableIterator<unknown>) {
  return {
    next: () => results.next().catch(explain),
    return: () => results.return!(),
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
