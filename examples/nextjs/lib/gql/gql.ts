/* eslint-disable */
import * as types from './graphql';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  query Me {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": typeof types.MeDocument,
    "\n  mutation UpdateMe($input: UpdateMeInput!) {\n    updateMe(input: $input) {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": typeof types.UpdateMeDocument,
    "\n  subscription MeChanges {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": typeof types.MeChangesDocument,
    "\n  fragment ProjectRow on Project {\n    id\n    name\n    color\n  }\n": typeof types.ProjectRowFragmentDoc,
    "\n  query Projects {\n    projects(first: 100) {\n      nodes {\n        ...ProjectRow\n      }\n    }\n  }\n": typeof types.ProjectsDocument,
    "\n  fragment TodoRow on Todo {\n    id\n    title\n    done\n    createdAt\n    project {\n      ...ProjectRow\n    }\n  }\n": typeof types.TodoRowFragmentDoc,
    "\n  query Todos($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": typeof types.TodosDocument,
    "\n  query TodoIds($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          id\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": typeof types.TodoIdsDocument,
    "\n  subscription TodoChanges($first: Int!, $filter: TodoFilter) {\n    todos(first: $first, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": typeof types.TodoChangesDocument,
    "\n  mutation CreateTodo($input: CreateTodoInput!) {\n    createTodo(input: $input) {\n      ...TodoRow\n    }\n  }\n": typeof types.CreateTodoDocument,
    "\n  mutation UpdateTodo($id: ID!, $input: UpdateTodoInput!) {\n    updateTodo(id: $id, input: $input) {\n      ...TodoRow\n    }\n  }\n": typeof types.UpdateTodoDocument,
    "\n  mutation DeleteTodo($id: ID!) {\n    deleteTodo(id: $id) {\n      id\n    }\n  }\n": typeof types.DeleteTodoDocument,
    "\n  query Pricing {\n    products(first: 6) {\n      nodes {\n        id\n        active\n        name\n        description\n        prices(first: 6) {\n          nodes {\n            id\n            active\n            unitAmount\n            currency\n            interval\n            intervalCount\n          }\n        }\n      }\n    }\n  }\n": typeof types.PricingDocument,
    "\n  fragment PlanRow on UserSubscription {\n    id\n    status\n    cancelAtPeriodEnd\n    price {\n      id\n      product {\n        name\n      }\n    }\n  }\n": typeof types.PlanRowFragmentDoc,
    "\n  query Plan {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n": typeof types.PlanDocument,
    "\n  subscription PlanChanges {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n": typeof types.PlanChangesDocument,
};
const documents: Documents = {
    "\n  query Me {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": types.MeDocument,
    "\n  mutation UpdateMe($input: UpdateMeInput!) {\n    updateMe(input: $input) {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": types.UpdateMeDocument,
    "\n  subscription MeChanges {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n": types.MeChangesDocument,
    "\n  fragment ProjectRow on Project {\n    id\n    name\n    color\n  }\n": types.ProjectRowFragmentDoc,
    "\n  query Projects {\n    projects(first: 100) {\n      nodes {\n        ...ProjectRow\n      }\n    }\n  }\n": types.ProjectsDocument,
    "\n  fragment TodoRow on Todo {\n    id\n    title\n    done\n    createdAt\n    project {\n      ...ProjectRow\n    }\n  }\n": types.TodoRowFragmentDoc,
    "\n  query Todos($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": types.TodosDocument,
    "\n  query TodoIds($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          id\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": types.TodoIdsDocument,
    "\n  subscription TodoChanges($first: Int!, $filter: TodoFilter) {\n    todos(first: $first, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n": types.TodoChangesDocument,
    "\n  mutation CreateTodo($input: CreateTodoInput!) {\n    createTodo(input: $input) {\n      ...TodoRow\n    }\n  }\n": types.CreateTodoDocument,
    "\n  mutation UpdateTodo($id: ID!, $input: UpdateTodoInput!) {\n    updateTodo(id: $id, input: $input) {\n      ...TodoRow\n    }\n  }\n": types.UpdateTodoDocument,
    "\n  mutation DeleteTodo($id: ID!) {\n    deleteTodo(id: $id) {\n      id\n    }\n  }\n": types.DeleteTodoDocument,
    "\n  query Pricing {\n    products(first: 6) {\n      nodes {\n        id\n        active\n        name\n        description\n        prices(first: 6) {\n          nodes {\n            id\n            active\n            unitAmount\n            currency\n            interval\n            intervalCount\n          }\n        }\n      }\n    }\n  }\n": types.PricingDocument,
    "\n  fragment PlanRow on UserSubscription {\n    id\n    status\n    cancelAtPeriodEnd\n    price {\n      id\n      product {\n        name\n      }\n    }\n  }\n": types.PlanRowFragmentDoc,
    "\n  query Plan {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n": types.PlanDocument,
    "\n  subscription PlanChanges {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n": types.PlanChangesDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Me {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"): (typeof documents)["\n  query Me {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateMe($input: UpdateMeInput!) {\n    updateMe(input: $input) {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateMe($input: UpdateMeInput!) {\n    updateMe(input: $input) {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription MeChanges {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"): (typeof documents)["\n  subscription MeChanges {\n    me {\n      id\n      fullName\n      avatarUrl\n      email\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment ProjectRow on Project {\n    id\n    name\n    color\n  }\n"): (typeof documents)["\n  fragment ProjectRow on Project {\n    id\n    name\n    color\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Projects {\n    projects(first: 100) {\n      nodes {\n        ...ProjectRow\n      }\n    }\n  }\n"): (typeof documents)["\n  query Projects {\n    projects(first: 100) {\n      nodes {\n        ...ProjectRow\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment TodoRow on Todo {\n    id\n    title\n    done\n    createdAt\n    project {\n      ...ProjectRow\n    }\n  }\n"): (typeof documents)["\n  fragment TodoRow on Todo {\n    id\n    title\n    done\n    createdAt\n    project {\n      ...ProjectRow\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Todos($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"): (typeof documents)["\n  query Todos($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query TodoIds($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          id\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"): (typeof documents)["\n  query TodoIds($first: Int!, $after: String, $filter: TodoFilter) {\n    todos(first: $first, after: $after, filter: $filter) {\n      edges {\n        cursor\n        node {\n          id\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription TodoChanges($first: Int!, $filter: TodoFilter) {\n    todos(first: $first, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription TodoChanges($first: Int!, $filter: TodoFilter) {\n    todos(first: $first, filter: $filter) {\n      edges {\n        cursor\n        node {\n          ...TodoRow\n        }\n      }\n      pageInfo {\n        startCursor\n        endCursor\n        hasNextPage\n        hasPreviousPage\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateTodo($input: CreateTodoInput!) {\n    createTodo(input: $input) {\n      ...TodoRow\n    }\n  }\n"): (typeof documents)["\n  mutation CreateTodo($input: CreateTodoInput!) {\n    createTodo(input: $input) {\n      ...TodoRow\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation UpdateTodo($id: ID!, $input: UpdateTodoInput!) {\n    updateTodo(id: $id, input: $input) {\n      ...TodoRow\n    }\n  }\n"): (typeof documents)["\n  mutation UpdateTodo($id: ID!, $input: UpdateTodoInput!) {\n    updateTodo(id: $id, input: $input) {\n      ...TodoRow\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteTodo($id: ID!) {\n    deleteTodo(id: $id) {\n      id\n    }\n  }\n"): (typeof documents)["\n  mutation DeleteTodo($id: ID!) {\n    deleteTodo(id: $id) {\n      id\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Pricing {\n    products(first: 6) {\n      nodes {\n        id\n        active\n        name\n        description\n        prices(first: 6) {\n          nodes {\n            id\n            active\n            unitAmount\n            currency\n            interval\n            intervalCount\n          }\n        }\n      }\n    }\n  }\n"): (typeof documents)["\n  query Pricing {\n    products(first: 6) {\n      nodes {\n        id\n        active\n        name\n        description\n        prices(first: 6) {\n          nodes {\n            id\n            active\n            unitAmount\n            currency\n            interval\n            intervalCount\n          }\n        }\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment PlanRow on UserSubscription {\n    id\n    status\n    cancelAtPeriodEnd\n    price {\n      id\n      product {\n        name\n      }\n    }\n  }\n"): (typeof documents)["\n  fragment PlanRow on UserSubscription {\n    id\n    status\n    cancelAtPeriodEnd\n    price {\n      id\n      product {\n        name\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Plan {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n"): (typeof documents)["\n  query Plan {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription PlanChanges {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n"): (typeof documents)["\n  subscription PlanChanges {\n    me {\n      id\n      subscription {\n        ...PlanRow\n      }\n    }\n  }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;