// PostGraphile 5 as its documentation shows: it builds the schema from the tables, the context callback verifies the
// token, pgSettings carry role and claims into the transaction of each request.
import { createServer } from 'node:http'
import jwt from 'jsonwebtoken'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'

const { DATABASE_URL, JWT_ISSUER, JWT_SECRET, POOL, PORT } = process.env

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({ connectionString: DATABASE_URL, schemas: ['public'], poolConfig: { max: Number(POOL) } }),
  ],
  grafserv: { graphiql: false, watch: false },
  grafast: {
    explain: false,
    context(requestContext) {
      const [, token] = requestContext.node.req.headers.authorization.split(' ')
      const claims = jwt.verify(token, JWT_SECRET, {
        algorithms: ['HS256'],
        audience: 'authenticated',
        issuer: JWT_ISSUER,
      })
      return { pgSettings: { role: claims.role, 'request.jwt.claims': JSON.stringify(claims) } }
    },
  },
}

const server = createServer()
await postgraphile(preset).createServ(grafserv).addTo(server)
server.listen(Number(PORT), '127.0.0.1')
