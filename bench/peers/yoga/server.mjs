// GraphQL Yoga with its JWT plugin and Envelop's JIT, as their documentation shows. No row-level security.
import { createServer } from 'node:http'
import { useGraphQlJit } from '@envelop/graphql-jit'
import { createInlineSigningKeyProvider, extractFromHeader, useJWT } from '@graphql-yoga/plugin-jwt'
import { createSchema, createYoga } from 'graphql-yoga'
import { typeDefs, userByID } from '../users.mjs'

const { JWT_ISSUER, JWT_SECRET, PORT } = process.env

const yoga = createYoga({
  schema: createSchema({
    typeDefs,
    resolvers: { Query: { me: (_parent, _args, { jwt }) => userByID(jwt.payload.sub) } },
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
