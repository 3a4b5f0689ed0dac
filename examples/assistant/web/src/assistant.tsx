import { useState } from 'react';
import { ask, supabase, useLive } from './api';
import { Thread } from './thread';

type Threads = { threads: { nodes: { id: string; title: string }[] } };
type Usage = { me: { usage: { used: number; limit: number; resetsAt: string } | null } | null };

export function Assistant({ email }: { email: string }) {
  const threads = useLive<Threads>('subscription { threads(first: 50) { nodes { id title } } }', {})?.threads.nodes;
  const usage = useLive<Usage>('subscription { me { usage { used limit resetsAt } } }', {})?.me?.usage;
  const [open, setOpen] = useState(location.hash.slice(1));
  const [first, setFirst] = useState<string>(); // what a new thread begins with

  function show(id: string) {
    history.replaceState(null, '', `#${id}`);
    setFirst(undefined);
    setOpen(id);
  }

  async function begin(text: string) {
    const input = { title: text.slice(0, 60) };
    const { createThread } = await ask<{ createThread: { id: string } }>(
      'mutation ($input: CreateThreadInput!) { createThread(input: $input) { id } }',
      { input },
    );
    show(createThread.id);
    setFirst(text);
  }

  return (
    <div className="app">
      <header>
        <strong>Assistant</strong>
        {usage && <Quota {...usage} />}
        <span className="quiet email">{email}</span>
        <button className="plain" onClick={() => supabase.auth.signOut({ scope: 'local' })}>
          Sign out
        </button>
      </header>
      <nav aria-label="Threads">
        <button onClick={() => show('')}>New thread</button>
        <ul>
          {threads?.map(({ id, title }) => (
            <li key={id}>
              <a href={`#${id}`} aria-current={id === open ? 'page' : undefined} onClick={event => (event.preventDefault(), show(id))}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Thread key={open} id={open} first={first} begin={begin} />
    </div>
  );
}

function Quota({ used, limit, resetsAt }: { used: number; limit: number; resetsAt: string }) {
  const percent = limit ? Math.min(100, Math.round((used / limit) * 100)) : 100;
  return (
    <label className="quota" title={`New tokens at ${new Date(resetsAt).toLocaleString()}`}>
      <meter min={0} max={limit} value={used} high={limit * 0.8} />
      {percent} % of today’s tokens
    </label>
  );
}
