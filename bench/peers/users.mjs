// What Yoga, Apollo Server and Mercurius share: the schema, and the quickest driver there is for Node, which prepares
// its statements and pipelines them.
import { readFileSync } from 'node:fs'
import postgres from 'postgres'

const sql = postgres(process.env.DATABASE_URL, { max: Number(process.env.POOL) })

export const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8')

export async function userByID(id) {
  const [user] = await sql`select id, full_name as "fullName", avatar_url as "avatarUrl" from public.users where id = ${id}`
  return user
}
