/** What went wrong: the code of the API's error (docs/errors.md), where there is one, and its message. */
export type Problem = { code?: string; message: string }

/** Whatever has been thrown or answered: by Apollo Client, by urql, or by the code of this app. */
export function problemOf(error: unknown): Problem {
  const { errors, graphQLErrors, message } = error as Partial<Record<'errors' | 'graphQLErrors', GraphQLError[]>> & Error
  const first = (errors ?? graphQLErrors)?.[0]
  return first ? { code: first.extensions?.code, message: first.message } : { message: message || 'Something went wrong.' }
}

type GraphQLError = { message: string; extensions?: { code?: string } }

const help: Record<string, string> = {
  UNAVAILABLE: 'Does the API run? In development, `go run . dev` in examples/billing starts it. It may be starting: try again.',
  GRAPHQL_VALIDATION_FAILED:
    'The API has another schema than this page. Todos and pricing need that of examples/billing: stop the API, and start it there with `go run . dev`.',
  UNAUTHENTICATED: 'Sign in first.',
  TOKEN_EXPIRED: 'The session is being refreshed. Try again.',
  TOKEN_INVALID: 'Sign in again. If that does not help, app and API belong to different Supabase projects.',
  SESSION_REVOKED: 'You have signed out elsewhere. Sign in again.',
  FORBIDDEN: 'PostgreSQL does not let you do this: a policy or a grant is missing.',
  NOT_FOUND: 'It has been deleted, or it is not yours.',
  CONFLICT: 'Somebody else has changed it. Reload the page.',
  RATE_LIMITED: 'Wait a moment, and try again.',
  INTERNAL_SERVER_ERROR: 'The log of the API says more.',
  PERSISTED_QUERY_REQUIRED: 'The API runs trusted documents only. Give it lib/gql/persisted-documents.json.',
}

/** What a person can do about a problem, if something is known. */
export function helpOf({ code }: Problem): string | undefined {
  return code && help[code]
}
