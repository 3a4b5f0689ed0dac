'use client'

import type { ApolloCache } from '@apollo/client'
import { useMutation, useSubscription, useSuspenseQuery } from '@apollo/client/react'
import { startTransition } from 'react'
import { LiveBadge } from '@/components/live-badge'
import { Todos } from '@/components/todos'
import { CreateTodo, DeleteTodo, TodoChanges, Todos as TodosDocument, UpdateTodo } from '@/lib/documents'
import { problemOf } from '@/lib/problems'
import {
  addTodo, belongs, filterOf, firstPage, liveSize, mergeNewest, removeTodo, unconfirmedId, type Project, type TodoList,
} from '@/lib/todos'

export function ApolloTodos({ projects, project }: { projects: Project[]; project: string | undefined }) {
  const filter = filterOf(project)
  const variables = firstPage(filter)
  const { data: { todos }, fetchMore } = useSuspenseQuery(TodosDocument, { variables })

  const change = (cache: ApolloCache, next: (list: TodoList) => TodoList) =>
    cache.updateQuery({ query: TodosDocument, variables }, old => old?.todos && { ...old, todos: next(old.todos) })

  useSubscription(TodoChanges, {
    variables: { ...variables, first: liveSize },
    ignoreResults: true,
    onData: ({ client, data: { data } }) => {
      const newest = data?.todos
      if (newest) {
        change(client.cache, list => mergeNewest(list, newest))
      }
    },
  })
  const [create] = useMutation(CreateTodo, { errorPolicy: 'all' })
  const [update] = useMutation(UpdateTodo, { errorPolicy: 'all' })
  const [remove] = useMutation(DeleteTodo, { errorPolicy: 'all' })

  if (!todos) {
    return <p>You have no todos.</p>
  }
  return (
    <Todos
      list={todos}
      projects={projects}
      project={project}
      badge={<LiveBadge />}
      actions={{
        async create(title, of) {
          const { error } = await create({
            variables: { input: { title, projectId: of?.id } },
            optimisticResponse: {
              __typename: 'Mutation',
              createTodo: {
                __typename: 'Todo', id: unconfirmedId(), title, done: false, createdAt: new Date().toISOString(), project: of,
              },
            },
            update(cache, { data }) {
              const todo = data?.createTodo
              if (todo && belongs(todo, filter)) {
                change(cache, list => addTodo(list, todo))
              }
            },
          })
          return error && problemOf(error).message
        },
        async setDone(todo, done) {
          const { error } = await update({
            variables: { id: todo.id, input: { done } },
            optimisticResponse: { __typename: 'Mutation', updateTodo: { ...todo, done } },
          })
          return error && problemOf(error).message
        },
        async remove({ id }) {
          const { error } = await remove({
            variables: { id },
            optimisticResponse: { __typename: 'Mutation', deleteTodo: { __typename: 'Todo', id } },
            update(cache, { data }) {
              if (data?.deleteTodo) {
                change(cache, list => removeTodo(list, id))
              }
            },
          })
          return error && problemOf(error).message
        },
        // A transition, since else the list would be away while its next page is read.
        readMore: () =>
          new Promise(resolve =>
            startTransition(async () => {
              try {
                await fetchMore({ variables: { after: todos.pageInfo.endCursor } })
                resolve(undefined)
              } catch (error) {
                resolve(problemOf(error).message)
              }
            }),
          ),
      }}
    />
  )
}
