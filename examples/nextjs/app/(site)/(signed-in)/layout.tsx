import type { ReactNode } from 'react'
import { requireToken } from '@/lib/supabase/server'

/** Pages for which somebody must be signed in. */
export default async function SignedInLayout({ children }: { children: ReactNode }) {
  await requireToken()
  return children
}
