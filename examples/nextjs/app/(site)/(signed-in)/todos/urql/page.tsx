import type { Metadata } from 'next'
import { Explanation } from '@/components/explanation'
import { Refused } from '@/components/session'
import { UrqlProvider } from '@/components/urql'
import { Projects, Todos } from '@/lib/documents'
import { ask } from '@/lib/graphql'
import { requireToken } from '@/lib/supabase/server'
import { filterOf, firstPage } from '@/lib/todos'
import { urqlAnswers } from '@/lib/urql'
import { UrqlTodos } from './list'

export const metadata: Metadata = { title: 'Todos, by urql' }

export default async function TodosPage({ searchParams }: PageProps<'/todos/urql'>) {
  await requireToken()
  const project = [(await searchParams).project].flat()[0]
  const { data, problem } = await ask(Projects, {})
  return (
    <>
      <Explanation title="Todos, by urql" files={['todos/urql/list.tsx', 'components/urql.tsx', 'lib/todos.ts']}>
        urql reads page by page. A subscription keeps the newest up to date, and what you change is shown before the API
        has confirmed it.
      </Explanation>
      {problem ? (
        <Refused problem={problem} />
      ) : (
        <UrqlProvider key={project} answers={await urqlAnswers(Todos, firstPage(filterOf(project)))}>
          <UrqlTodos projects={data.projects?.nodes ?? []} project={project} />
        </UrqlProvider>
      )}
    </>
  )
}
