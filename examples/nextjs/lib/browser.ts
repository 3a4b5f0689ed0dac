import { supabase } from './supabase/browser'
import { graphqlUrl } from './settings'
import { connect, type Connection } from './usergraph/connection'

let connection: Connection | undefined

/** The page's one connection to the API. */
export function browserConnection(): Connection {
  return (connection ??= connect(supabase, graphqlUrl))
}
