import type { Metadata } from 'next'
import { Suspense } from 'react'
import { ApolloProvider } from '@/components/apollo'
import { Explanation } from '@/components/explanation'
import { Loading } from '@/components/loading'
import { Refused } from '@/components/session'
import { PreloadQuery } from '@/lib/apollo'
import { Projects, Todos } from '@/lib/documents'
import { ask } from '@/lib/graphql'
import { requireToken } from '@/lib/supabase/server'
import { filterOf, firstPage } from '@/lib/todos'
import { ApolloTodos } from './list'

export const metadata: Metadata = { title: 'Todos' }

export default async function TodosPage({ searchParams }: PageProps<'/todos'>) {
  await requireToken()
  const project = [(await searchParams).project].flat()[0]
  const { data, problem } = await ask(Projects, {})
  return (
    <>
      <Explanation title="Todos" files={['todos/list.tsx', 'lib/todos.ts']}>
        Apollo Client reads page by page. A subscription keeps the newest up to date, and what you change is shown before
        the API has confirmed it.
      </Explanation>
      {problem ? (
        <Refused problem={problem} />
      ) : (
        <ApolloProvider>
          <PreloadQuery query={Todos} variables={firstPage(filterOf(project))}>
            <Suspense key={project} fallback={<Loading />}>
              <ApolloTodos projects={data.projects?.nodes ?? []} project={project} />
            </Suspense>
          </PreloadQuery>
        </ApolloProvider>
      )}
    </>
  )
}
