'use client'

import { useState } from 'react'
import { useClient, useMutation, useQuery, useSubscription } from 'urql'
import { LiveBadge } from '@/components/live-badge'
import { Loading } from '@/components/loading'
import { ProblemCard } from '@/components/problem'
import { Todos } from '@/components/todos'
import { CreateTodo, DeleteTodo, TodoChanges, Todos as TodosDocument, UpdateTodo } from '@/lib/documents'
import { problemOf } from '@/lib/problems'
import { filterOf, firstPage, liveSize, type Project } from '@/lib/todos'

export function UrqlTodos({ projects, project }: { projects: Project[]; project: string | undefined }) {
  const variables = firstPage(filterOf(project))
  const client = useClient()
  const [after, setAfter] = useState<string>()
  const [{ data, error }, readAgain] = useQuery({ query: TodosDocument, variables: { ...variables, after } })
  // The cache puts what it brings into the list (components/urql.tsx).
  useSubscription({ query: TodoChanges, variables: { ...variables, first: liveSize } })
  const [, create] = useMutation(CreateTodo)
  const [, update] = useMutation(UpdateTodo)
  const [, remove] = useMutation(DeleteTodo)
  const failure = ({ error }: { error?: Error }) => error && problemOf(error).message

  if (!data?.todos) {
    return error ? (
      <ProblemCard problem={problemOf(error)}>
        <button onClick={() => readAgain({ requestPolicy: 'network-only' })}>Try again</button>
      </ProblemCard>
    ) : (
      <Loading />
    )
  }
  const { endCursor } = data.todos.pageInfo
  return (
    <Todos
      list={data.todos}
      projects={projects}
      project={project}
      badge={<LiveBadge />}
      actions={{
        create: async (title, of) => failure(await create({ input: { title, projectId: of?.id } })),
        setDone: async ({ id }, done) => failure(await update({ id, input: { done } })),
        remove: async ({ id }) => failure(await remove({ id })),
        // The page is in the cache before the list asks for it, so that the list is never away.
        async readMore() {
          const answer = await client.query(TodosDocument, { ...variables, after: endCursor }, { requestPolicy: 'network-only' })
          if (answer.data) {
            setAfter(endCursor ?? undefined)
          }
          return failure(answer)
        },
      }}
    />
  )
}
