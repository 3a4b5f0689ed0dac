import type { Config } from './config';
import { Mark } from './Mark';
import { useCaller, useSession } from './session';
import { identitySource } from './sources';
import { Validity } from './Validity';

/** The title, and who requests are made as. */
export function TopBar({ config }: { config: Config }) {
  const { name, token, busy, failure } = useCaller();
  return (
    <header className="graphiql-container top-bar">
      <Mark />
      <h1>{config.title}</h1>
      <p className="failure" role="alert">
        {failure && `${token ? 'The token was not renewed' : 'No token'}: ${failure}`}
      </p>
      {busy ? <span className="validity none">fetching a token …</span> : <Validity token={token} />}
      {config.identities.length > 0 ? (
        <Switcher config={config} />
      ) : (
        <span className="caller">{token ? `Acting as ${name}` : 'Signed out'}</span>
      )}
    </header>
  );
}

/** Chooses one of the identities of development. */
function Switcher({ config: { identities, tokenEndpoint } }: { config: Config }) {
  const session = useSession();
  const { name } = useCaller();
  return (
    <label className="caller">
      <span className="label">Acting as</span>
      <select
        value={name}
        onChange={event => void session.signIn(event.target.value, identitySource(tokenEndpoint, event.target.value))}
      >
        {identities.some(identity => identity.name === name) || <option value={name}>{name}</option>}
        {identities.map(identity => (
          <option key={identity.name} value={identity.name}>
            {identity.label}
          </option>
        ))}
      </select>
    </label>
  );
}
