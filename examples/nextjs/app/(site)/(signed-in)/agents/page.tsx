import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { ProblemCard } from '@/components/problem'
import { graphqlUrl } from '@/lib/settings'
import { requireToken, serverClient } from '@/lib/supabase/server'
import { Grants } from './grants'

export const metadata: Metadata = { title: 'Agents' }

export default async function AgentsPage() {
  await requireToken()
  const supabase = await serverClient()
  const { data, error } = await supabase.auth.oauth.listGrants()
  return (
    <>
      <Explanation title="Agents" files={['agents/grants.tsx', 'oauth/consent/page.tsx']}>
        Programs that ask as you, within what the team has reviewed. One that you disconnect is refused from its next call
        on.
      </Explanation>
      {error ? <ProblemCard problem={{ message: error.message }} /> : <Grants grants={data} mcpUrl={graphqlUrl.replace(/graphql$/, 'mcp')} />}
    </>
  )
}
