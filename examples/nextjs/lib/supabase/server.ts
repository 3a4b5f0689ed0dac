import 'server-only'
import { createServerClient } from '@supabase/ssr'
import { cookies } from 'next/headers'
import { redirect } from 'next/navigation'
import { cache } from 'react'
import { supabaseKey, supabaseUrl } from '../settings'

/**
 * The access token of the user who is signed in, or undefined. It has been verified, and must stay on the server: what
 * is given to a client component is written into the HTML.
 */
export const accessToken = cache(async (): Promise<string | undefined> => {
  const store = await cookies()
  const supabase = createServerClient(supabaseUrl, supabaseKey, {
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
  const { data } = await supabase.auth.getClaims()
  if (!data) {
    return undefined
  }
  const { data: { session } } = await supabase.auth.getSession()
  return session?.access_token
})

/** The access token of the user who is signed in; whoever is not is sent to sign in. */
export async function requireToken(): Promise<string> {
  return (await accessToken()) ?? redirect('/sign-in')
}
