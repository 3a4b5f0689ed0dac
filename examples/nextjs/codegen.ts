import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset'
import type { CodegenConfig } from '@graphql-codegen/cli'

// Reads the schema of examples/billing from the repository, so that no server need run.
export default {
  schema: ['../billing/schema.graphqls', '../billing/schema/*.graphqls'],
  documents: 'lib/documents.ts',
  generates: {
    'lib/gql/': {
      preset: 'client',
      // Apollo Client and urql ask for __typename. So the documents here, and the hashes of them, are what is sent.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: false,
        persistedDocuments: { hashAlgorithm: 'sha256' },
      },
      config: { useTypeImports: true, scalars: { BigInt: 'string', DateTime: 'string' } },
    },
  },
} satisfies CodegenConfig
