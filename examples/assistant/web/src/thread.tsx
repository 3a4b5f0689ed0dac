import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport, isToolUIPart, type UIMessage } from 'ai';
import { useEffect, useRef, useState } from 'react';
import { authorization, chatURL, useLive } from './api';

type Stored = { messages: { nodes: { id: string; author: string; ending: string; parts: UIMessage['parts'] }[] } };
type Message = UIMessage<{ ending?: string }>;

const messagesOf = `subscription ($thread: ID!) {
  messages(first: 100, filter: { threadId: { eq: $thread } }) { nodes { id author ending parts } }
}`;

const transport = new DefaultChatTransport<Message>({
  api: chatURL,
  headers: authorization,
  // The server knows the thread; it needs what is new.
  prepareSendMessagesRequest: ({ id, messages, headers }) => ({
    headers,
    body: { thread: id, text: messages.at(-1)!.parts.map(part => (part.type === 'text' ? part.text : '')).join('') },
  }),
});

type Props = { id: string; first?: string; begin: (text: string) => Promise<void> };

/** A thread: what is stored of it, and what is being answered here. */
export function Thread({ id, first, begin }: Props) {
  const { messages, setMessages, sendMessage, status, stop, error } = useChat<Message>({ id: id || 'new', transport });
  const [problem, setProblem] = useState('');
  const answering = status === 'submitted' || status === 'streaming';

  // What other tabs say comes by the subscription; while this tab is answered, its own stream is ahead.
  const stored = useLive<Stored>(messagesOf, { thread: id }, !id)?.messages.nodes;
  useEffect(() => {
    if (stored && !answering) {
      const read = stored.toReversed().map(({ id, author, ending, parts }): Message => ({
        id,
        role: author === 'USER' ? 'user' : 'assistant',
        parts,
        metadata: { ending },
      }));
      // The stored thread may be a moment behind.
      setMessages(shown => (read.length >= shown.length ? read : shown));
    }
  }, [stored, answering, setMessages]);

  // Leaving the page ends the answer.
  useEffect(() => () => void stop(), [stop]);
  const begun = useRef(false);
  useEffect(() => {
    if (first && !begun.current) {
      begun.current = true;
      void sendMessage({ text: first });
    }
  }, [first, sendMessage]);

  async function say(form: FormData) {
    const text = String(form.get('text')).trim();
    if (!text || answering) {
      return;
    }
    setProblem('');
    if (id) {
      void sendMessage({ text });
    } else {
      await begin(text).catch(error => setProblem(String(error.message)));
    }
  }

  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void end.current?.scrollIntoView({ block: 'end' });
  }, [messages]);

  return (
    <main>
      <div className="messages" role="log" aria-label="Messages" aria-busy={answering} tabIndex={0}>
        {messages.length === 0 && <p className="quiet hint">Ask about your notes: what did I note about Berlin?</p>}
        {messages.map(message => (
          <article key={message.id} className={message.role} aria-label={message.role === 'user' ? 'You' : 'Assistant'}>
            {message.parts.map((part, i) => (
              <Part key={i} part={part} />
            ))}
            <Ending ending={message.metadata?.ending} />
          </article>
        ))}
        {status === 'submitted' && <p className="quiet">Thinking…</p>}
        <div ref={end} />
      </div>
      <p role="alert">{problem || (error && explain(error))}</p>
      <form action={say}>
        <input name="text" aria-label="Message" placeholder="Say something" autoComplete="off" maxLength={4000} autoFocus />
        {answering ? (
          <button type="button" onClick={() => stop()}>
            Stop
          </button>
        ) : (
          <button>Send</button>
        )}
      </form>
    </main>
  );
}

function Part({ part }: { part: Message['parts'][number] }) {
  if (part.type === 'text') {
    return <p className="text">{part.text}</p>;
  }
  if (!isToolUIPart(part)) {
    return null;
  }
  const state = part.state === 'output-available' ? 'done' : part.state === 'output-error' ? 'failed' : 'running';
  return (
    <details className="tool">
      <summary>
        {part.type.slice('tool-'.length)} <span className="quiet">{state}</span>
      </summary>
      <pre tabIndex={0}>{JSON.stringify(part.input, null, 2)}</pre>
      <pre tabIndex={0}>{part.state === 'output-error' ? part.errorText : JSON.stringify(part.output, null, 2)}</pre>
    </details>
  );
}

function Ending({ ending }: { ending?: string }) {
  switch (ending) {
    case 'STOPPED':
      return <p className="quiet">Stopped</p>;
    case 'FAILED':
      return <p className="quiet">Not finished</p>;
  }
  return null;
}

/** What to tell of an error: of a refusal the message, of a stream what comes after its code. */
function explain(error: Error): string {
  try {
    return JSON.parse(error.message).errors[0].message;
  } catch {
    return error.message.replace(/^[A-Z_]+: /, '');
  }
}
