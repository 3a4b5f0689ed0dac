// @supabase/server as its documentation shows: withRequiredClaims verifies the token against the project's key set,
// withPostgresClient reads as the caller. It answers GET /me: there is no GraphQL.
import { serve } from '@hono/node-server'
import { pipeline } from '@supabase/middleware'
import { withPostgresClient } from '@supabase/server/middleware/postgres'
import { withRequiredClaims } from '@supabase/server/middleware/required-claims'

const { DATABASE_URL, POOL, PORT } = process.env

serve({
  hostname: '127.0.0.1',
  port: Number(PORT),
  fetch: pipeline(
    [withRequiredClaims(), withPostgresClient({ connectionString: DATABASE_URL, pool: { max: Number(POOL) } })],
    async (_request, ctx) => {
      const [user] = await ctx.postgres
        .query`select id, full_name as "fullName", avatar_url as "avatarUrl" from public.users where id = ${ctx.jwtClaims.sub}`
      return Response.json(user ?? null)
    },
  ),
})
