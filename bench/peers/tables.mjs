// What Yoga, Apollo Server and Mercurius share: the schema, and the quickest driver there is for Node, which prepares
// its statements and pipelines them.
import { readFileSync } from 'node:fs'
import { GraphQLScalarType } from 'graphql'
import postgres from 'postgres'

const sql = postgres(process.env.DATABASE_URL, { max: Number(process.env.POOL) })

export const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8')

export const DateTime = new GraphQLScalarType({ name: 'DateTime', serialize: (date) => date.toISOString() })

export async function userByID(id) {
  const [user] = await sql`select id, full_name as "fullName", avatar_url as "avatarUrl" from public.users where id = ${id}`
  return user
}

export async function todosOf(user, first) {
  const nodes = await sql`select id, title, done, created_at as "createdAt", project_id as "projectId" from public.todos
    where user_id = ${user} order by created_at desc, id desc limit ${first + 1}`
  return { nodes: nodes.slice(0, first), pageInfo: { hasNextPage: nodes.length > first } }
}

export async function createTodo(user, { projectId, title }) {
  const [todo] = await sql`insert into public.todos (user_id, project_id, title) values (${user}, ${projectId ?? null}, ${title})
    returning id, title, done, created_at as "createdAt"`
  return todo
}

export const productsOf = async (first) => ({ nodes: await sql`select id, name from public.products order by id limit ${first}` })

// What follows is for loaders: one result for each key.

export async function projectsByIDs(user, ids) {
  const known = [...new Set(ids.filter((id) => id !== null))]
  return inOrder(ids, await sql`select id, name, color from public.projects where user_id = ${user} and id = any(${known})`)
}

export const pricesByIDs = async (ids) =>
  inOrder(ids, await sql`select id, unit_amount as "unitAmount", currency, product_id as "productId" from public.prices where id = any(${ids})`)

export const productsByIDs = async (ids) => inOrder(ids, await sql`select id, name from public.products where id = any(${ids})`)

export async function subscriptionsOfUsers(ids, first) {
  const found = await sql`select s.* from unnest(${ids}::uuid[]) as keys(id) cross join lateral (
    select id, user_id as "key", status, price_id as "priceId" from public.subscriptions where user_id = keys.id order by id limit ${first}) s`
  return pages(ids, found)
}

export async function pricesOfProducts(ids, first) {
  const found = await sql`select p.* from unnest(${ids}::text[]) as keys(id) cross join lateral (
    select id, product_id as "key", unit_amount as "unitAmount", currency from public.prices where product_id = keys.id order by id limit ${first}) p`
  return pages(ids, found)
}

function inOrder(ids, rows) {
  const byID = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byID.get(id) ?? null)
}

function pages(ids, rows) {
  const byKey = new Map(ids.map((id) => [id, []]))
  for (const row of rows) byKey.get(row.key).push(row)
  return ids.map((id) => ({ nodes: byKey.get(id) }))
}
