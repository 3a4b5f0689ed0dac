import { HttpLink, ApolloLink } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { OperationTypeNode } from 'graphql'
import type { Connection } from './connection'

/** The link of an Apollo Client that asks as the user: subscriptions over the websocket, the rest over HTTP. */
export function usergraphLink({ url, fetch, socket }: Connection): ApolloLink {
  return ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({ uri: url, fetch }),
  )
}
