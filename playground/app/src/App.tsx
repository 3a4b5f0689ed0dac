import { useMemo } from 'react';
import { GraphiQL, GraphiQLInterface } from 'graphiql';
import { GraphiQLProvider } from '@graphiql/react';
import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { AnswerBar } from './AnswerBar';
import { Answers } from './answers';
import { callerPlugin } from './CallerPanel';
import { textOf, type Config, type Operation } from './config';
import { documentsPlugin } from './DocumentsPanel';
import { createFetcher } from './fetcher';
import { FitEditors } from './FitEditors';
import { FollowCaller } from './FollowCaller';
import { isNarrow } from './narrow';
import { useSession } from './session';
import { TopBar } from './TopBar';

// Of the first visit. More would not fit into their row.
const maxTabs = 5;

/** The page. There is no history plugin: it would keep what is typed as headers in the browser's storage. */
export function App({ config }: { config: Config }) {
  const session = useSession();
  const { answers, fetcher, plugins, start } = useMemo(() => {
    const answers = new Answers();
    const documents = documentsPlugin(config.operations);
    const explorer = { ...explorerPlugin(), title: 'Explorer' };
    const caller = callerPlugin(config);
    return {
      answers,
      fetcher: createFetcher(config, session, answers),
      plugins: [documents, DOC_EXPLORER_PLUGIN, explorer, caller],
      // In development the caller is chosen at the top, elsewhere a token has to be given first. On a phone the documents
      // would leave no room for the operation.
      start: config.identities.length === 0 ? caller : isNarrow() ? undefined : documents,
    };
  }, [config, session]);

  return (
    <GraphiQLProvider
      fetcher={fetcher}
      plugins={plugins}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      visiblePlugin={start}
      defaultTabs={config.operations.length > 0 ? config.operations.slice(0, maxTabs).map(tab) : undefined}
      inputValueDeprecation
      schemaDescription
    >
      <DocExplorerStore>
        <TopBar config={config} />
        <main>
          <GraphiQLInterface showPersistHeadersSettings={false} defaultEditorToolsVisibility="variables">
            <GraphiQL.Logo>{null}</GraphiQL.Logo>
            <GraphiQL.Footer>
              <AnswerBar answers={answers} />
            </GraphiQL.Footer>
          </GraphiQLInterface>
        </main>
        <FitEditors />
        <FollowCaller runQueries={config.identities.length > 0} />
      </DocExplorerStore>
    </GraphiQLProvider>
  );
}

function tab(operation: Operation) {
  return { query: textOf(operation), variables: operation.variables || null };
}
