import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTodo, mergeNewest, removeTodo } from './todos.ts'

/** A list of the ids from one to another, the newest first. */
const list = (from, to, hasNextPage) => listOf(Array.from({ length: from - to + 1 }, (_, i) => String(from - i)), hasNextPage)
const listOf = (ids, hasNextPage = false) => ({
  __typename: 'TodoConnection',
  edges: ids.map(id => ({ __typename: 'TodoEdge', cursor: `after ${id}`, node: { __typename: 'Todo', id } })),
  pageInfo: {
    __typename: 'PageInfo', startCursor: ids.length ? `after ${ids[0]}` : null, endCursor: ids.length ? `after ${ids.at(-1)}` : null,
    hasNextPage, hasPreviousPage: false,
  },
})
const without = (of, ...ids) => listOf(of.edges.map(({ node }) => node.id).filter(id => !ids.includes(id)), of.pageInfo.hasNextPage)

for (const [name, shown, newest, want] of [
  ['a new one comes first', list(20, 1, false), list(21, 1, false), list(21, 1, false)],
  ['what is older than the list is not shown before it is read', list(40, 21, true), list(40, 1, false), list(40, 21, true)],
  ['a new one makes the list longer', list(40, 21, true), list(41, 1, false), list(41, 21, true)],
  ['one that is gone makes it shorter', list(40, 21, true), without(list(40, 1, false), '30'), without(list(40, 21, true), '30')],
  ['the last of the list is gone', list(40, 21, true), without(list(40, 1, false), '21'), list(40, 22, true)],
  ['what is older than the newest stays', list(90, 21, true), list(91, 42, true), list(91, 21, true)],
  ['and so does the end of a whole list', list(90, 1, false), list(91, 42, true), list(91, 1, false)],
  ['one that is gone draws another into the newest', list(90, 21, true), without(list(90, 40, true), '80'), without(list(90, 21, true), '80')],
  ['so many are new that nothing is known of what is between', list(20, 1, false), list(99, 50, true), list(99, 50, true)],
  ['all is gone', list(20, 1, false), listOf([]), listOf([])],
  ['an empty list', listOf([]), list(3, 1, false), list(3, 1, false)],
]) {
  test(`mergeNewest: ${name}`, () => assert.deepEqual(mergeNewest(shown, newest), want))
}

test('addTodo puts a todo first, once', () => {
  const todo = { __typename: 'Todo', id: '4' }
  const added = addTodo(list(3, 1, true), todo)
  assert.deepEqual(added.edges.map(({ node }) => node.id), ['4', '3', '2', '1'])
  assert.equal(addTodo(added, todo), added)
})

test('removeTodo takes a todo away', () => {
  assert.deepEqual(removeTodo(list(3, 1, false), '2').edges.map(({ node }) => node.id), ['3', '1'])
})
