import { useState } from 'react';
import { pick, useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';
import { textOf, type Operation, type Tool } from './config';
import { isNarrow } from './narrow';

/** The panel that lists the named operations, and says which of them agents may call. */
export function documentsPlugin(operations: Operation[]): GraphiQLPlugin {
  return { title: 'Documents', icon: DocumentsIcon, content: () => <DocumentsPanel operations={operations} /> };
}

function DocumentsPanel({ operations }: { operations: Operation[] }) {
  const { tabs, activeTabIndex, queryEditor, variableEditor } = useGraphiQL(
    pick('tabs', 'activeTabIndex', 'queryEditor', 'variableEditor'),
  );
  const { addTab, changeTab, setVisiblePlugin } = useGraphiQLActions();
  const [search, setSearch] = useState('');
  const found = operations.filter(operation => matches(operation, search));

  /** Opens the operation's tab, or a new one. */
  function open(operation: Operation) {
    const index = tabs.findIndex(tab => tab.title === operation.name);
    if (index >= 0) {
      changeTab(index);
    } else {
      addTab();
      queryEditor?.setValue(textOf(operation));
      variableEditor?.setValue(operation.variables);
    }
    if (isNarrow()) {
      setVisiblePlugin(null);
    }
    queryEditor?.focus();
  }

  return (
    <section className="documents-panel" aria-labelledby="documents-title">
      <h2 id="documents-title">Documents</h2>
      <form
        role="search"
        onSubmit={event => {
          event.preventDefault();
          if (found[0]) {
            open(found[0]);
          }
        }}
      >
        <input
          type="search"
          aria-label="Search the documents"
          placeholder="Search"
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
        <p className="note" role="status">
          {found.length === operations.length ? `${operations.length}` : `${found.length} of ${operations.length}`} named
          operations
        </p>
      </form>
      <ul>
        {found.map(operation => (
          <li key={operation.name}>
            <button
              type="button"
              aria-current={tabs[activeTabIndex]?.title === operation.name}
              onClick={() => open(operation)}
            >
              <span className="name">
                {operation.title} <span className="kind">{operation.kind}</span>
              </span>
              {operation.description && <span className="description">{operation.description}</span>}
              {operation.tool && <Agents tool={operation.tool} />}
            </button>
          </li>
        ))}
      </ul>
      {operations.some(({ tool }) => tool) && (
        <p className="note">Agents may call what is marked, as the user who has let them in, and nothing else.</p>
      )}
    </section>
  );
}

/** Says that agents may call an operation, and what a call does. */
function Agents({ tool: { readOnly, destructive, idempotent } }: { tool: Tool }) {
  const effect = readOnly ? 'reads' : destructive ? 'overwrites or deletes' : 'adds';
  return (
    <span className={`agents ${effect.split(' ')[0]}`}>
      <AgentIcon /> agents: {effect}
      {!readOnly && idempotent && ', repeatable'}
    </span>
  );
}

function matches({ title, name, kind, description, tool }: Operation, search: string): boolean {
  const text = [title, name, kind, description, tool && 'agents'].join(' ').toLowerCase();
  return search.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

function DocumentsIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
      <path d="M9 6h12M9 12h12M9 18h12M4 6h.01M4 12h.01M4 18h.01" />
    </svg>
  );
}

function AgentIcon() {
  return (
    <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" aria-hidden="true">
      <rect x="2.5" y="5.5" width="11" height="8" rx="2.5" />
      <path d="M8 5.5V2.5M6 9v1M10 9v1" />
    </svg>
  );
}
