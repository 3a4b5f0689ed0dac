import { useEffect, useSyncExternalStore, type ReactNode } from 'react';
import { isMacOs, pick, useGraphiQL } from '@graphiql/react';
import type { Answer, Answers } from './answers';

/** Says above the result how the operation of the open tab was answered. */
export function AnswerBar({ answers }: { answers: Answers }) {
  const { tabs, activeTabIndex } = useGraphiQL(pick('tabs', 'activeTabIndex'));
  const tab = tabs[activeTabIndex]?.id ?? '';
  const answer = useSyncExternalStore(answers.subscribe, () => answers.of(tab));
  useEffect(() => {
    answers.tab = tab;
  }, [answers, tab]);
  return (
    <>
      <p className="answer" role="status" aria-label="Answer">
        {answer ? <Facts answer={answer} /> : <span className="note">{isMacOs ? '⌘' : 'Ctrl'}-Enter runs the operation.</span>}
      </p>
      {answer?.debug?.whyNull && (
        <ul className="reasons" aria-label="Why fields are null">
          {answer.debug.whyNull.map(({ path, reason }) => (
            <li key={path}>
              <code>{path}</code> is null: {reason}.
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Facts({ answer: { state, status, milliseconds, errors = 0, answers = 0, at, debug } }: { answer: Answer }) {
  const measured = state === 'answered' ? debug : undefined;
  const facts: ReactNode[] = [
    milliseconds !== undefined && duration(milliseconds),
    measured && `server ${duration(measured.milliseconds)}`,
    measured && count(measured.statements, 'SQL statement'),
    measured && count(measured.rows, 'row'),
    (state === 'live' || state === 'ended') && count(answers, 'answer'),
    at && `the last at ${at.toLocaleTimeString()}`,
    errors > 0 && <span className="failure">{count(errors, 'error')}</span>,
  ];
  const good = errors === 0 && (state === 'live' || (state === 'answered' && status?.startsWith('2')));
  const bad = errors > 0 || state === 'failed' || (state === 'answered' && !good);
  return (
    <>
      <span className={`state ${bad ? 'bad' : good ? 'good' : 'none'}`}>{status ?? words[state]}</span>
      {facts.map((fact, i) => fact && <span key={i}>{fact}</span>)}
    </>
  );
}

const words: Record<Answer['state'], string> = {
  running: 'waiting …',
  answered: 'answered',
  failed: 'no answer',
  live: 'live',
  ended: 'ended',
};

function count(n: number, noun: string): string {
  return `${n.toLocaleString()} ${noun}${n === 1 ? '' : 's'}`;
}

function duration(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds).toLocaleString()} ms`;
}
