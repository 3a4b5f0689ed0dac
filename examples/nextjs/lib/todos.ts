import type { ProjectRowFragment, TodoFilter, TodoIdsQuery, TodoRowFragment, TodosQuery, TodosQueryVariables } from './gql/graphql'

export type Todo = TodoRowFragment
export type Project = ProjectRowFragment

/** A list as far as it has been read, the newest first. */
export type TodoList = NonNullable<TodosQuery['todos']>

/** Which todos it has. What changes a list needs no more of it. */
export type TodoIdList = NonNullable<TodoIdsQuery['todos']>

/** How many todos a page has. */
export const pageSize = 20

/**
 * How many of the newest todos are live. A subscription has one page, and the API bounds what an operation may cost: 50 of
 * these rows cost three quarters of what it allows.
 */
export const liveSize = 50

/** Begins the ids of todos that the API has not confirmed. */
const unconfirmed = 'unconfirmed:'
export const unconfirmedId = () => unconfirmed + crypto.randomUUID()
export const isConfirmed = ({ id }: { id: string }) => !id.startsWith(unconfirmed)

/** The filter of a page whose address has ?project=: an id, or "none". */
export function filterOf(project: string | undefined): TodoFilter | undefined {
  return project === undefined ? undefined : { projectId: project === 'none' ? { isNull: true } : { eq: project } }
}

/** The variables of the first page. */
export function firstPage(filter: TodoFilter | undefined): TodosQueryVariables {
  return { first: pageSize, ...(filter && { filter }) }
}

/** Whether a list with this filter has the todo. */
export function belongs({ project }: Pick<Todo, 'project'>, filter: TodoFilter | null | undefined): boolean {
  const wanted = filter?.projectId
  return !wanted || (wanted.isNull ? !project : project?.id === wanted.eq)
}

/**
 * Puts the newest todos, which a subscription has brought, in the place of what a list has of them. What is older than them
 * stays; what is older than the list is not shown before its page is read.
 */
export function mergeNewest<List extends TodoIdList>(list: List, newest: List): List {
  const ids = list.edges.map(({ node }) => node.id)
  const lastKnown = newest.edges.findLastIndex(({ node }) => ids.includes(node.id))
  if (list.pageInfo.hasNextPage && lastKnown >= 0 && lastKnown < newest.edges.length - 1) {
    const edges = newest.edges.slice(0, lastKnown + 1)
    return { ...list, edges, pageInfo: { ...newest.pageInfo, endCursor: edges.at(-1)!.cursor, hasNextPage: true } }
  }
  const older = newest.pageInfo.hasNextPage && lastKnown >= 0 ? list.edges.slice(ids.indexOf(newest.edges[lastKnown].node.id) + 1) : []
  return older.length
    ? { ...list, edges: [...newest.edges, ...older], pageInfo: { ...list.pageInfo, startCursor: newest.pageInfo.startCursor } }
    : { ...list, edges: newest.edges, pageInfo: newest.pageInfo }
}

/** Adds a new todo, unless a subscription has already brought it. */
export function addTodo<List extends TodoIdList>(list: List, node: List['edges'][number]['node']): List {
  return list.edges.some(edge => edge.node.id === node.id)
    ? list
    : { ...list, edges: [{ __typename: 'TodoEdge', cursor: '', node }, ...list.edges] }
}

/** Takes a todo away. */
export function removeTodo<List extends TodoIdList>(list: List, id: string): List {
  return { ...list, edges: list.edges.filter(({ node }) => node.id !== id) }
}
