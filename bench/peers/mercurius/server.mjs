// Mercurius with its JIT, on Fastify with @fastify/jwt, as their documentation shows. fast-jwt's cache of verified
// tokens is on. No row-level security.
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { typeDefs, userByID } from '../users.mjs'

const { JWT_ISSUER, JWT_SECRET, PORT } = process.env

const app = Fastify()
app.register(jwt, {
  secret: JWT_SECRET,
  verify: { algorithms: ['HS256'], allowedAud: 'authenticated', allowedIss: JWT_ISSUER, cache: 10_000 },
})
app.addHook('onRequest', (request) => request.jwtVerify())
app.register(mercurius, {
  schema: typeDefs,
  resolvers: { Query: { me: (_parent, _args, { userID }) => userByID(userID) } },
  context: (request) => ({ userID: request.user.sub }),
  jit: 1,
})
await app.listen({ port: Number(PORT), host: '127.0.0.1' })
