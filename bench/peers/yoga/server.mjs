// GraphQL Yoga with its JWT plugin, Envelop's JIT and DataLoader, as their documentation shows. No row-level security.
import { createServer } from 'node:http'
import { useGraphQlJit } from '@envelop/graphql-jit'
import { createInlineSigningKeyProvider, extractFromHeader, useJWT } from '@graphql-yoga/plugin-jwt'
import DataLoader from 'dataloader'
import { createSchema, createYoga } from 'graphql-yoga'
import * as tables from '../tables.mjs'

const { JWT_ISSUER, JWT_SECRET, PORT } = process.env

// loaders makes a DataLoader for each first argument of a batch.
function loaders(batch) {
  const made = new Map()
  return (argument) => {
    if (!made.has(argument)) made.set(argument, new DataLoader((keys) => batch(argument, keys)))
    return made.get(argument)
  }
}

const yoga = createYoga({
  schema: createSchema({
    typeDefs: tables.typeDefs,
    resolvers: {
      DateTime: tables.DateTime,
      Query: {
        me: (_parent, _args, { jwt }) => tables.userByID(jwt.payload.sub),
        todos: (_parent, { first }, { jwt }) => tables.todosOf(jwt.payload.sub, first),
        products: (_parent, { first }) => tables.productsOf(first),
      },
      Mutation: { createTodo: (_parent, { input }, { jwt }) => tables.createTodo(jwt.payload.sub, input) },
      Todo: { project: ({ projectId }, _args, { jwt, projects }) => projectId && projects(jwt.payload.sub).load(projectId) },
      User: { userSubscriptions: ({ id }, { first }, { subscriptions }) => subscriptions(first).load(id) },
      UserSubscription: { price: ({ priceId }, _args, { prices }) => priceId && prices.load(priceId) },
      Price: { product: ({ productId }, _args, { products }) => productId && products.load(productId) },
      Product: { prices: ({ id }, { first }, { pricesOf }) => pricesOf(first).load(id) },
    },
  }),
  context: () => ({
    projects: loaders(tables.projectsByIDs),
    subscriptions: loaders((first, ids) => tables.subscriptionsOfUsers(ids, first)),
    prices: new DataLoader(tables.pricesByIDs),
    products: new DataLoader(tables.productsByIDs),
    pricesOf: loaders((first, ids) => tables.pricesOfProducts(ids, first)),
  }),
  graphiql: false,
  landingPage: false,
  logging: false,
  plugins: [
    useJWT({
      signingKeyProviders: [createInlineSigningKeyProvider(JWT_SECRET)],
      tokenLookupLocations: [extractFromHeader({ name: 'authorization', prefix: 'Bearer' })],
      tokenVerification: { algorithms: ['HS256'], audience: 'authenticated', issuer: JWT_ISSUER },
      extendContext: true,
      reject: { missingToken: true, invalidToken: true },
    }),
    useGraphQlJit(),
  ],
})
createServer(yoga).listen(Number(PORT), '127.0.0.1')
