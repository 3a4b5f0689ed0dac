import { createBrowserClient } from '@supabase/ssr'
import { supabaseKey, supabaseUrl } from '../settings'

/** Keeps the session in cookies, so that the server sees it too, and refreshes it while a page is open. */
export const supabase = createBrowserClient(supabaseUrl, supabaseKey)
