'use client'

import { useState, type ReactNode } from 'react'
import { Provider, type SSRData } from 'urql'
import { browserConnection } from '@/lib/browser'
import { usergraphClient } from '@/lib/usergraph/urql'

/** Begins with the answers that the server already has. */
export function UrqlProvider({ answers, children }: { answers?: SSRData; children: ReactNode }) {
  const [client] = useState(() => usergraphClient(browserConnection(), answers))
  return <Provider value={client}>{children}</Provider>
}
