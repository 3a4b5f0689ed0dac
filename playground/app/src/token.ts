export type Claims = Record<string, unknown>;

/** What a token says, or null if it is no JWT. Nothing is verified: that is for the server. */
export function decode(token: string): { header: Claims; claims: Claims } | null {
  const [header, payload, signature] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined) {
    return null;
  }
  try {
    return { header: decodePart(header), claims: decodePart(payload) };
  } catch {
    return null;
  }
}

function decodePart(part: string): Claims {
  const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, c => c.charCodeAt(0))));
}

/** When a token expires, in milliseconds since 1970, or null if it does not say. */
export function expiryOf(token: string): number | null {
  const exp = decode(token)?.claims.exp;
  return typeof exp === 'number' ? exp * 1000 : null;
}
