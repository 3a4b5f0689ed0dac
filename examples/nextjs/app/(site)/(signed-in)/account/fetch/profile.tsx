'use client'

import { useEffect, useState } from 'react'
import { Loading } from '@/components/loading'
import { Profile, type User } from '@/components/profile'
import type { UpdateMeInput } from '@/lib/gql/graphql'
import { supabase } from '@/lib/supabase/browser'

/** Asks the API as the user who is signed in. */
async function graphql(query: string, variables = {}) {
  const { data: { session } } = await supabase.auth.getSession()
  const answer = await fetch(process.env.NEXT_PUBLIC_GRAPHQL_URL!, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${session?.access_token}`,
    },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await answer.json()
  if (errors) {
    throw new Error(errors[0].message)
  }
  return data
}

export function FetchProfile() {
  const [user, setUser] = useState<User | null>()
  const [error, setError] = useState<string>()

  useEffect(() => {
    graphql('{ me { fullName avatarUrl email } }')
      .then(data => setUser(data.me))
      .catch(error => setError(error.message))
  }, [])

  async function save(input: UpdateMeInput) {
    try {
      const data = await graphql(
        'mutation ($input: UpdateMeInput!) { updateMe(input: $input) { fullName avatarUrl email } }',
        { input },
      )
      setUser(data.updateMe)
    } catch (error) {
      return (error as Error).message
    }
  }

  if (error) {
    return <p role="alert" className="error">{error}</p>
  }
  if (user === undefined) {
    return <Loading />
  }
  if (user === null) {
    return <p>You have no row in the table users.</p>
  }
  return <Profile user={user} save={save} />
}
