import './workers';
import '@graphiql/react/font/roboto.css';
import '@graphiql/react/font/fira-code.css';
import '@graphiql/react/style.css';
import 'graphiql/graphiql.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-explorer/style.css';
import './style.css';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { loadConfig } from './config';
import { Session, SessionContext } from './session';
import { identitySource } from './sources';

const root = createRoot(document.getElementById('root')!);

try {
  const config = await loadConfig();
  const session = new Session();
  const [first] = config.identities;
  if (first) {
    void session.signIn(first.name, identitySource(config.tokenEndpoint, first.name));
  }
  document.title = config.title;
  root.render(
    <SessionContext value={session}>
      <App config={config} />
    </SessionContext>,
  );
} catch (error) {
  root.render(<p role="alert">The playground cannot read its configuration. {String(error)}</p>);
}
