import 'server-only'
import { createServerClient } from '@supabase/ssr'
import { cookies } from 'next/headers'
import { redirect } from 'next/navigation'
import { cache } from 'react'
import { supabaseKey, supabaseUrl } from '../settings'

/** Acts as the user whose session is in the request's cookies. */
export const serverClient = cache(async () => {
  const store = await cookies()
  return createServerClient(supabaseUrl, supabaseKey, {
    cookies: {
      getAll: () => store.getAll(),
      setAll(cookies) {
        try {
          for (const { name, value, options } of cookies) {
            store.set(name, value, options)
          }
        } catch {
          // Server actions may set cookies, components may not. For them proxy.ts has refreshed the session.
        }
      },
    },
  })
})

/**
 * The access token of the user who is signed in, or undefined. It has been verified, and must stay on the server: what
 * is given to a client component is written into the HTML.
 */
export const accessToken = cache(async (): Promise<string | undefined> => {
  const supabase = await serverClient()
  const { data } = await supabase.auth.getClaims()
  if (!data) {
    return undefined
  }
  const { data: { session } } = await supabase.auth.getSession()
  return session?.access_token
})

/** The access token of the user who is signed in; whoever is not is sent to sign in, and comes back to the page given. */
export async function requireToken(page?: string): Promise<string> {
  return (await accessToken()) ?? redirect(page ? `/sign-in?${new URLSearchParams({ next: page })}` : '/sign-in')
}
