'use server'

import { refresh } from 'next/cache'
import { UpdateMe } from '@/lib/documents'
import { ask } from '@/lib/graphql'

/** Saves the name and has the page rendered again. Returns what went wrong, if something did. */
export async function saveName(fullName: string | null): Promise<string | undefined> {
  const { error } = await ask(UpdateMe, { input: { fullName } })
  refresh()
  return error?.message
}
