import { graphqlUrl } from './settings'
import { supabase } from './supabase/browser'
import { connect, type Connection } from './usergraph/connection'

let connection: Connection | undefined
let live = false

/** The page's one connection to the API. */
export function browserConnection(): Connection {
  if (!connection) {
    connection = connect(supabase, graphqlUrl)
    connection.socket.on('connected', () => (live = true))
    connection.socket.on('closed', () => (live = false))
  }
  return connection
}

/** Whether changes made elsewhere arrive. */
export const isLive = () => live

/** Calls changed whenever isLive may have changed; the result stops that. */
export function watchLive(changed: () => void): () => void {
  const { socket } = browserConnection()
  const stops = [socket.on('connected', changed), socket.on('closed', changed)]
  return () => stops.forEach(stop => stop())
}
