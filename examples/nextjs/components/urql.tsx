'use client'

import { cacheExchange, type Cache } from '@urql/exchange-graphcache'
import { relayPagination } from '@urql/exchange-graphcache/extras'
import { useState, type ReactNode } from 'react'
import { Provider, ssrExchange, type SSRData } from 'urql'
import { browserConnection } from '@/lib/browser'
import { Me, ProjectRow, TodoIds, TodoRow } from '@/lib/documents'
import type {
  CreateTodoMutation, CreateTodoMutationVariables, DeleteTodoMutationVariables, TodoChangesSubscription,
  TodoChangesSubscriptionVariables, TodosQueryVariables, UpdateMeInput, UpdateTodoMutationVariables,
} from '@/lib/gql/graphql'
import { addTodo, belongs, mergeNewest, removeTodo, unconfirmedId, type TodoIdList } from '@/lib/todos'
import { usergraphClient } from '@/lib/usergraph/urql'

function makeClient(initialState?: SSRData) {
  return usergraphClient(browserConnection(), [
    // One user and one todo in the cache, whichever of query, mutation and subscription brought them.
    cacheExchange({
      // Pages and their parts have no id.
      keys: { TodoConnection: () => null, TodoEdge: () => null, PageInfo: () => null },
      resolvers: { Query: { todos: relayPagination() } },
      updates: {
        Subscription: {
          todos({ todos }: TodoChangesSubscription, { filter }: TodoChangesSubscriptionVariables, cache) {
            if (todos) {
              changeLists(cache, (list, of) => (isSame(of, filter) ? mergeNewest(list, todos) : list))
            }
          },
        },
        Mutation: {
          createTodo({ createTodo: todo }: CreateTodoMutation, _, cache) {
            if (todo) {
              changeLists(cache, (list, filter) => (belongs(todo, filter) ? addTodo(list, todo) : list))
            }
          },
          deleteTodo(_, { id }: DeleteTodoMutationVariables, cache) {
            changeLists(cache, list => removeTodo(list, String(id)))
          },
        },
      },
      optimistic: {
        updateMe(args, cache) {
          const me = cache.readQuery({ query: Me })?.me
          return me ? { ...me, ...(args.input as UpdateMeInput) } : null
        },
        createTodo({ input }: CreateTodoMutationVariables, cache) {
          const project = input.projectId && cache.readFragment(ProjectRow, { __typename: 'Project', id: String(input.projectId) })
          return {
            __typename: 'Todo', id: unconfirmedId(), title: input.title, done: false,
            createdAt: new Date().toISOString(), project: project || null,
          }
        },
        updateTodo({ id, input }: UpdateTodoMutationVariables, cache) {
          const todo = cache.readFragment(TodoRow, { __typename: 'Todo', id: String(id) })
          return todo && { ...todo, done: input.done ?? todo.done }
        },
        deleteTodo: ({ id }: DeleteTodoMutationVariables) => ({ __typename: 'Todo', id }),
      },
    }),
    ssrExchange({ initialState }),
  ])
}

type Filter = TodosQueryVariables['filter']
const isSame = (a: Filter, b: Filter) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)

/**
 * Changes the list of each filter. It is written as its first page, and the pages behind it become empty. Nothing is written
 * but which todos it has: else what an optimistic mutation writes would hide what a subscription brings meanwhile.
 */
function changeLists(cache: Cache, next: (list: TodoIdList, filter: Filter) => TodoIdList) {
  const pages = cache.inspectFields('Query').filter(({ fieldName }) => fieldName === 'todos')
    .map(({ arguments: of }) => of as TodosQueryVariables)
  const read = (variables: TodosQueryVariables) => cache.readQuery({ query: TodoIds, variables })?.todos
  for (const first of pages.filter(({ after }) => !after)) {
    const behind = pages.filter(({ after, filter }) => after && isSame(filter, first.filter))
    const list = read(first)
    if (!list) {
      continue
    }
    let all = list
    for (const _ of behind) {
      const following = behind.find(({ after }) => after === all.pageInfo.endCursor)
      const page = following && read(following)
      if (page?.edges.length) {
        all = { ...page, edges: [...all.edges, ...page.edges] }
      }
    }
    const changed = next(all, first.filter)
    for (const page of [first, ...behind]) {
      const todos = page === first ? changed : { ...changed, edges: [] }
      cache.updateQuery({ query: TodoIds, variables: page }, () => ({ __typename: 'Query' as const, todos }))
    }
  }
}

/** Begins with the answers that the server already has. */
export function UrqlProvider({ answers, children }: { answers?: SSRData; children: ReactNode }) {
  const [client] = useState(() => makeClient(answers))
  return <Provider value={client}>{children}</Provider>
}
