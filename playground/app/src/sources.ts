/** Fetches a token, and a fresh one at each further call. Null means signed out. */
export type Source = () => Promise<string | null>;

/** Tokens of `usergraph dev` for one of its identities. */
export function identitySource(endpoint: string, identity: string): Source {
  return async () => (await post(endpoint, { identity })).token;
}

/**
 * Tokens of Supabase Auth: the first for the password, which is forgotten then, the others for the refresh token that
 * came with the one before.
 */
export function passwordSource(supabaseURL: string, publishableKey: string, email: string, password: string): Source {
  let grant: { type: string; body: object } = { type: 'password', body: { email, password } };
  return async () => {
    const url = `${supabaseURL}/auth/v1/token?grant_type=${grant.type}`;
    const answer = await post(url, grant.body, { apikey: publishableKey });
    grant = { type: 'refresh_token', body: { refresh_token: answer.refresh_token } };
    return answer.access_token;
  };
}

async function post(url: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    credentials: 'omit',
    cache: 'no-store',
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok) {
    return JSON.parse(text);
  }
  throw new Error(messageIn(text) ?? `the server answered ${response.status}`);
}

/** What an answer says is wrong: Supabase Auth has had several names for it, our own server sends a line of text. */
function messageIn(text: string): string | null {
  try {
    const answer = JSON.parse(text);
    return answer.msg ?? answer.error_description ?? answer.message ?? null;
  } catch {
    return text.trim() || null;
  }
}
