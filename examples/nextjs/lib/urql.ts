import 'server-only'
import { cacheExchange, Client, fetchExchange, ssrExchange, type AnyVariables, type SSRData, type TypedDocumentNode } from 'urql'
import { graphqlUrl } from './settings'
import { accessToken } from './supabase/server'

/** Asks on the server, for the browser's client to begin with. What failed is asked again there, which can refresh the session. */
export async function urqlAnswers<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<SSRData | undefined> {
  const answers = ssrExchange({ isClient: false })
  const client = new Client({
    url: graphqlUrl,
    fetchOptions: { headers: { Authorization: `Bearer ${await accessToken()}` }, cache: 'no-store' },
    preferGetMethod: false,
    exchanges: [cacheExchange, answers, fetchExchange],
  })
  const { error } = await client.query(query, variables)
  return error ? undefined : answers.extractData()
}
