import { supabaseUrl } from '../settings'

/** The issuer of the project's Auth, as its metadata has it (RFC 8414), or undefined if they cannot be read. */
export async function readIssuer(): Promise<string | undefined> {
  try {
    const response = await fetch(`${supabaseUrl}/auth/v1/.well-known/oauth-authorization-server`, { next: { revalidate: 3600 } })
    return response.ok ? (await response.json()).issuer : undefined
  } catch {
    return undefined
  }
}

/** Adds the issuer to the address that leads back to an agent: Supabase Auth does not, and some agents demand it (RFC 9207). */
export function withIssuer(address: string, issuer: string | undefined): string {
  const url = new URL(address)
  if (issuer) {
    url.searchParams.set('iss', issuer)
  }
  return url.href
}
