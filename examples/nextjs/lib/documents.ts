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
