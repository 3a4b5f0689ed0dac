// Mercurius with its JIT and loaders, on Fastify with @fastify/jwt, as their documentation shows. fast-jwt's cache of verified
// tokens is on. No row-level security.
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import * as tables from '../tables.mjs'

const { JWT_ISSUER, JWT_SECRET, PORT } = process.env

const app = Fastify()
app.register(jwt, {
  secret: JWT_SECRET,
  verify: { algorithms: ['HS256'], allowedAud: 'authenticated', allowedIss: JWT_ISSUER, cache: 10_000 },
})
app.addHook('onRequest', (request) => request.jwtVerify())
app.register(mercurius, {
  schema: tables.typeDefs,
  resolvers: {
    DateTime: tables.DateTime,
    Query: {
      me: (_parent, _args, { userID }) => tables.userByID(userID),
      todos: (_parent, { first }, { userID }) => tables.todosOf(userID, first),
      products: (_parent, { first }) => tables.productsOf(first),
    },
    Mutation: { createTodo: (_parent, { input }, { userID }) => tables.createTodo(userID, input) },
  },
  // A loader gets what was asked of all objects of a list at once.
  loaders: {
    Todo: { project: (queries, { userID }) => tables.projectsByIDs(userID, queries.map(({ obj }) => obj.projectId)) },
    User: { userSubscriptions: (queries) => tables.subscriptionsOfUsers(queries.map(({ obj }) => obj.id), queries[0].params.first) },
    UserSubscription: { price: (queries) => tables.pricesByIDs(queries.map(({ obj }) => obj.priceId)) },
    Price: { product: (queries) => tables.productsByIDs(queries.map(({ obj }) => obj.productId)) },
    Product: { prices: (queries) => tables.pricesOfProducts(queries.map(({ obj }) => obj.id), queries[0].params.first) },
  },
  context: (request) => ({ userID: request.user.sub }),
  jit: 1,
})
await app.listen({ port: Number(PORT), host: '127.0.0.1' })
