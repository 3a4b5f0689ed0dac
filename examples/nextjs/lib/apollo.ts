import 'server-only'
import { HttpLink } from '@apollo/client'
import { ApolloClient, InMemoryCache, registerApolloClient } from '@apollo/client-integration-nextjs'
import { graphqlUrl } from '@/lib/settings'
import { accessToken } from '@/lib/supabase/server'

/** One client a request, with the token of who made it. */
export const { PreloadQuery } = registerApolloClient(async () => {
  const token = await accessToken()
  return new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: graphqlUrl, headers: token ? { Authorization: `Bearer ${token}` } : {} }),
  })
})
