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
  title: string;
  name: string;
  kind: string;
  description: string;
  query: string;
  variables: string;
  /** What a call does, if agents may call it. */
  tool: Tool | null;
}

export interface Tool {
  readOnly: boolean;
  destructive: boolean;
  idempotent: boolean;
}

export interface Identity {
  name: string;
  label: string;
}

/** The operation for the editor. What is known of it stands above as comments, unless its own text says so. */
export function textOf({ title, description, query }: Operation): string {
  const comments = query.includes(description) ? [title] : [title, description];
  return comments.map(line => `# ${line}\n`).join('') + query;
}

export async function loadConfig(): Promise<Config> {
  const response = await fetch('playground/config.json');
  if (!response.ok) {
    throw new Error(`playground/config.json: ${response.status}`);
  }
  return response.json();
}
