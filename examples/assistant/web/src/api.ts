import { createClient as createSupabase } from '@supabase/supabase-js';
import { createClient as createSocket } from 'graphql-ws';
import { useEffect, useState } from 'react';

const { VITE_API_URL, VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY } = import.meta.env;

export const supabase = createSupabase(VITE_SUPABASE_URL, VITE_SUPABASE_PUBLISHABLE_KEY);
export const chatURL = `${VITE_API_URL}/chat`;

/** The header with the caller's token, which supabase-js refreshes when it is about to expire. */
export async function authorization(): Promise<Record<string, string>> {
  const { data } = await supabase.auth.getSession();
  return data.session ? { authorization: `Bearer ${data.session.access_token}` } : {};
}

/** Runs a query or a mutation, and returns its data. */
export async function ask<Data>(query: string, variables?: object): Promise<Data> {
  const answer = await fetch(`${VITE_API_URL}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(await authorization()) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) {
    throw new Error(errors[0].message);
  }
  return data;
}

const socket = createSocket({
  url: `${VITE_API_URL}/graphql`.replace(/^http/, 'ws'),
  connectionParams: authorization,
  // A server that restarts, or a token that has expired (4403): it comes back with the token of then.
  shouldRetry: () => true,
  retryAttempts: Infinity,
  retryWait: retries => new Promise(resolve => setTimeout(resolve, Math.random() * Math.min(500 * 2 ** retries, 10_000))),
});

/** The latest state of a subscription, until the component goes or asks for something else. */
export function useLive<Data>(query: string, variables: Record<string, unknown>, skip = false): Data | undefined {
  const asked = JSON.stringify(variables);
  const [state, setState] = useState<{ asked: string; data: Data }>();
  useEffect(() => {
    if (skip) {
      return;
    }
    return socket.subscribe<Data>(
      { query, variables: JSON.parse(asked) },
      { next: ({ data }) => data && setState({ asked, data }), error: console.warn, complete: () => {} },
    );
  }, [query, asked, skip]);
  return state?.asked === asked && !skip ? state.data : undefined;
}
