// Apollo Server 5, standalone, with jsonwebtoken in the context function, as its documentation shows. No row-level
// security.
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import { GraphQLError } from 'graphql'
import jwt from 'jsonwebtoken'
import { typeDefs, userByID } from '../tables.mjs'

const { JWT_ISSUER, JWT_SECRET, PORT } = process.env
const options = { algorithms: ['HS256'], audience: 'authenticated', issuer: JWT_ISSUER }

const server = new ApolloServer({
  typeDefs,
  resolvers: { Query: { me: (_parent, _args, { userID }) => userByID(userID) } },
})
await startStandaloneServer(server, {
  listen: { port: Number(PORT), host: '127.0.0.1' },
  context: async ({ req }) => {
    try {
      const [, token] = req.headers.authorization.split(' ')
      return { userID: jwt.verify(token, JWT_SECRET, options).sub }
    } catch {
      throw new GraphQLError('unauthenticated', { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } })
    }
  },
})
