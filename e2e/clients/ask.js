/** A token of usergraph dev for one of its identities. */
export async function tokenOf(usergraph, identity) {
  const answer = await fetch(`${usergraph.url}/dev/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ identity }),
  });
  return (await answer.json()).token;
}

/** A fetch that remembers what was sent and what came back. */
export function recordingFetch() {
  const calls = [];
  const record = async (url, options) => {
    const response = await fetch(url, options);
    calls.push({
      method: options?.method ?? 'GET',
      url: String(url),
      body: options?.body,
      status: response.status,
      type: response.headers.get('content-type'),
    });
    return response;
  };
  return { calls, fetch: record };
}
