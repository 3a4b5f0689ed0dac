// Next.js writes variables into the browser's code where it finds their whole name, so each is spelled out.
export const supabaseUrl = required('NEXT_PUBLIC_SUPABASE_URL', process.env.NEXT_PUBLIC_SUPABASE_URL)
export const supabaseKey = required('NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY', process.env.NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY)
export const graphqlUrl = required('NEXT_PUBLIC_GRAPHQL_URL', process.env.NEXT_PUBLIC_GRAPHQL_URL)
/** Where the page of examples/assistant is, if it runs. */
export const assistantUrl = process.env.NEXT_PUBLIC_ASSISTANT_URL

function required(name: string, value: string | undefined): string {
  if (!value) {
    throw new Error(`${name} is not set: see .env`)
  }
  return value
}
