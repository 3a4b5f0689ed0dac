'use server'

import { refresh } from 'next/cache'
import { UpdateMe } from '@/lib/documents'
import type { UpdateMeInput } from '@/lib/gql/graphql'
import { ask } from '@/lib/graphql'

/** Saves the user and has the page rendered again. Returns what went wrong, if something did. */
export async function saveUser(input: UpdateMeInput): Promise<string | undefined> {
  const { problem } = await ask(UpdateMe, { input })
  refresh()
  return problem?.message
}
