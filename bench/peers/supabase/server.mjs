// @supabase/server as its documentation shows: withRequiredClaims verifies the token against the project's key set,
// withPostgresClient reads as the caller. There is no GraphQL: it
// answers what ../handwritten answers, and reads a page with its relations by one statement, since each is a transaction of
// its own.
import { serve } from '@hono/node-server'
import { pipeline } from '@supabase/middleware'
import { withPostgresClient } from '@supabase/server/middleware/postgres'
import { withRequiredClaims } from '@supabase/server/middleware/required-claims'

const { DATABASE_URL, POOL, PORT } = process.env

const page = (nodes, first) => ({ todos: { nodes: nodes.slice(0, first), pageInfo: { hasNextPage: nodes.length > first } } })

const routes = {
  'GET /me': async ({ postgres, jwtClaims }) => {
    const [user] = await postgres
      .query`select id, full_name as "fullName", avatar_url as "avatarUrl" from public.users where id = ${jwtClaims.sub}`
    return user ?? null
  },
  'GET /todos': async ({ postgres, jwtClaims }, first) => {
    const nodes = await postgres.query`select id, title, done, created_at as "createdAt" from public.todos
      where user_id = ${jwtClaims.sub} order by created_at desc, id desc limit ${first + 1}`
    return page(nodes, first)
  },
  'GET /todos/with-projects': async ({ postgres, jwtClaims }, first) => {
    const rows = await postgres.query`select t.id, t.title, t.done, t.created_at as "createdAt", p.name, p.color
      from public.todos t left join public.projects p on p.id = t.project_id
      where t.user_id = ${jwtClaims.sub} order by t.created_at desc, t.id desc limit ${first + 1}`
    return page(
      rows.map(({ name, color, ...todo }) => ({ ...todo, project: name && { name, color } })),
      first,
    )
  },
  'GET /plan': async ({ postgres, jwtClaims }) => {
    const [row] = await postgres.query`select u.id, u.full_name, s.id as subscription, s.status, p.id as price, p.unit_amount, p.currency,
        d.id as product, d.name
      from public.users u join public.subscriptions s on s.user_id = u.id
      join public.prices p on p.id = s.price_id join public.products d on d.id = p.product_id
      where u.id = ${jwtClaims.sub} order by s.id limit 1`
    const product = { id: row.product, name: row.name }
    const price = { id: row.price, unitAmount: row.unit_amount, currency: row.currency, product }
    const nodes = [{ id: row.subscription, status: row.status, price }]
    return { me: { id: row.id, fullName: row.full_name, userSubscriptions: { nodes } } }
  },
  'GET /products': async ({ postgres }, first, { url }) => {
    const prices = Number(new URL(url).searchParams.get('prices'))
    const rows = await postgres.query`select d.id as product, d.name, p.* from (select * from public.products order by id limit ${first}) d
      left join lateral (
        select id, unit_amount as "unitAmount", currency from public.prices where product_id = d.id order by id limit ${prices}) p on true
      order by d.id, p.id`
    const nodes = []
    for (const { product, name, ...price } of rows) {
      if (nodes.at(-1)?.id !== product) nodes.push({ id: product, name, prices: { nodes: [] } })
      if (price.id) nodes.at(-1).prices.nodes.push(price)
    }
    return { products: { nodes } }
  },
  'POST /todos': async ({ postgres, jwtClaims }, _first, request) => {
    const { projectId, title } = await request.json()
    const [createTodo] = await postgres.query`insert into public.todos (user_id, project_id, title)
      values (${jwtClaims.sub}, ${projectId ?? null}, ${title}) returning id, title, done, created_at as "createdAt"`
    return { createTodo }
  },
}

serve({
  hostname: '127.0.0.1',
  port: Number(PORT),
  fetch: pipeline(
    [withRequiredClaims(), withPostgresClient({ connectionString: DATABASE_URL, pool: { max: Number(POOL) } })],
    async (request, ctx) => {
      const url = new URL(request.url)
      const answer = routes[`${request.method} ${url.pathname}`]
      return Response.json(await answer(ctx, Number(url.searchParams.get('first')), request))
    },
  ),
})
