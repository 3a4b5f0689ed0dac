import { useMemo } from 'react';
import { GraphiQL, GraphiQLInterface } from 'graphiql';
import { GraphiQLProvider } from '@graphiql/react';
import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { callerPlugin } from './CallerPanel';
import type { Config, Operation } from './config';
import { createFetcher } from './fetcher';
import { FollowCaller } from './FollowCaller';
import { useSession } from './session';
import { TopBar } from './TopBar';

/** The page. There is no history plugin: it would keep what is typed as headers in the browser's storage. */
export function App({ config }: { config: Config }) {
  const session = useSession();
  const { fetcher, plugins, start } = useMemo(() => {
    const explorer = { ...explorerPlugin(), title: 'Explorer' };
    const caller = callerPlugin(config);
    return {
      fetcher: createFetcher(config, session),
      plugins: [DOC_EXPLORER_PLUGIN, explorer, caller],
      // In development the caller is chosen at the top, elsewhere a token has to be given first. On a phone the explorer
      // would leave no room for what it explains.
      start: config.identities.length === 0 ? caller : isNarrow() ? undefined : explorer,
    };
  }, [config, session]);

  return (
    <GraphiQLProvider
      fetcher={fetcher}
      plugins={plugins}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      visiblePlugin={start}
      defaultTabs={config.operations.length > 0 ? config.operations.map(tab) : undefined}
      inputValueDeprecation
      schemaDescription
    >
      <DocExplorerStore>
        <TopBar config={config} />
        <main>
          <GraphiQLInterface showPersistHeadersSettings={false} defaultEditorToolsVisibility="variables">
            <GraphiQL.Logo>{null}</GraphiQL.Logo>
          </GraphiQLInterface>
        </main>
        <FollowCaller runQueries={config.identities.length > 0} />
      </DocExplorerStore>
    </GraphiQLProvider>
  );
}

function isNarrow() {
  return matchMedia('(max-width: 760px)').matches;
}

function tab({ name, description, query, variables }: Operation) {
  const comments = [name, ...wrap(description)].filter(Boolean).map(line => `# ${line}\n`);
  return { query: comments.join('') + query, variables: variables || null };
}

/** Breaks a text into lines that fit on a phone, and beside the other columns of the page. */
function wrap(text: string): string[] {
  return text.match(/\S.{0,26}\S(?=\s|$)|\S+/g) ?? [];
}
