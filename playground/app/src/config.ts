/** What the server says about itself: Config in playground.go. */
export interface Config {
  title: string;
  endpoint: string;
  subscriptionEndpoint: string;
  headers?: Record<string, string>;
  operations: Operation[];
  identities: Identity[];
  tokenEndpoint: string;
  supabaseURL: string;
  publishableKey: string;
}

export interface Operation {
  name: string;
  description: string;
  query: string;
  variables: string;
}

export interface Identity {
  name: string;
  label: string;
}

export async function loadConfig(): Promise<Config> {
  const response = await fetch('playground/config.json');
  if (!response.ok) {
    throw new Error(`playground/config.json: ${response.status}`);
  }
  return response.json();
}
