import { graphql } from './gql'

export const Me = graphql(`
  query Me {
    me {
      id
      fullName
      avatarUrl
      email
    }
  }
`)

export const UpdateMe = graphql(`
  mutation UpdateMe($input: UpdateMeInput!) {
    updateMe(input: $input) {
      id
      fullName
      avatarUrl
      email
    }
  }
`)

export const MeChanges = graphql(`
  subscription MeChanges {
    me {
      id
      fullName
      avatarUrl
      email
    }
  }
`)

export const ProjectRow = graphql(`
  fragment ProjectRow on Project {
    id
    name
    color
  }
`)

export const Projects = graphql(`
  query Projects {
    projects(first: 100) {
      nodes {
        ...ProjectRow
      }
    }
  }
`)

export const TodoRow = graphql(`
  fragment TodoRow on Todo {
    id
    title
    done
    createdAt
    project {
      ...ProjectRow
    }
  }
`)

export const Todos = graphql(`
  query Todos($first: Int!, $after: String, $filter: TodoFilter) {
    todos(first: $first, after: $after, filter: $filter) {
      edges {
        cursor
        node {
          ...TodoRow
        }
      }
      pageInfo {
        startCursor
        endCursor
        hasNextPage
        hasPreviousPage
      }
    }
  }
`)

/** Which todos a list has: for urql's cache, never sent. */
export const TodoIds = graphql(`
  query TodoIds($first: Int!, $after: String, $filter: TodoFilter) {
    todos(first: $first, after: $after, filter: $filter) {
      edges {
        cursor
        node {
          id
        }
      }
      pageInfo {
        startCursor
        endCursor
        hasNextPage
        hasPreviousPage
      }
    }
  }
`)

export const TodoChanges = graphql(`
  subscription TodoChanges($first: Int!, $filter: TodoFilter) {
    todos(first: $first, filter: $filter) {
      edges {
        cursor
        node {
          ...TodoRow
        }
      }
      pageInfo {
        startCursor
        endCursor
        hasNextPage
        hasPreviousPage
      }
    }
  }
`)

export const CreateTodo = graphql(`
  mutation CreateTodo($input: CreateTodoInput!) {
    createTodo(input: $input) {
      ...TodoRow
    }
  }
`)

export const UpdateTodo = graphql(`
  mutation UpdateTodo($id: ID!, $input: UpdateTodoInput!) {
    updateTodo(id: $id, input: $input) {
      ...TodoRow
    }
  }
`)

export const DeleteTodo = graphql(`
  mutation DeleteTodo($id: ID!) {
    deleteTodo(id: $id) {
      id
    }
  }
`)

export const Pricing = graphql(`
  query Pricing {
    products(first: 6) {
      nodes {
        id
        active
        name
        description
        prices(first: 6) {
          nodes {
            id
            active
            unitAmount
            currency
            interval
            intervalCount
          }
        }
      }
    }
  }
`)

export const PlanRow = graphql(`
  fragment PlanRow on UserSubscription {
    id
    status
    cancelAtPeriodEnd
    price {
      id
      product {
        name
      }
    }
  }
`)

export const Plan = graphql(`
  query Plan {
    me {
      id
      subscription {
        ...PlanRow
      }
    }
  }
`)

export const PlanChanges = graphql(`
  subscription PlanChanges {
    me {
      id
      subscription {
        ...PlanRow
      }
    }
  }
`)
