import { useEffect, useEffectEvent } from 'react';
import { parse } from 'graphql';
import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useCaller } from './session';

/**
 * When another caller is chosen, ends the subscription that runs as the one before, and, if runQueries, asks again as the
 * new one. That is also how the first answer is there when the page opens.
 */
export function FollowCaller({ runQueries }: { runQueries: boolean }) {
  const { choice, busy } = useCaller();
  const { queryEditor, responseEditor } = useGraphiQL(pick('queryEditor', 'responseEditor'));
  const { run, stop } = useGraphiQLActions();
  const ready = Boolean(queryEditor && responseEditor) && !busy;

  const follow = useEffectEvent(() => {
    stop();
    if (runQueries && isSingleQuery(queryEditor?.getValue() ?? '')) {
      void run();
    }
  });
  useEffect(() => {
    if (ready) {
      follow();
    }
  }, [ready, choice]);
  return null;
}

/** Only a query may be sent without being asked for. */
function isSingleQuery(text: string): boolean {
  try {
    const operations = parse(text).definitions.filter(d => d.kind === 'OperationDefinition');
    return operations.length === 1 && operations[0]?.operation === 'query';
  } catch {
    return false;
  }
}
