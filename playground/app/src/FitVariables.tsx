import { useEffect } from 'react';
import { useGraphiQL, useVariablesEditorState } from '@graphiql/react';

/** Gives the operation the room of the variables while there are none. A height that the user has chosen stays. */
export function FitVariables() {
  const storage = useGraphiQL(state => state.storage);
  const [variables] = useVariablesEditorState();
  const empty = variables.trim() === '';
  useEffect(() => {
    const editor = document.querySelector<HTMLElement>('.graphiql-query-editor');
    if (editor && !storage.get('secondaryEditorFlex')) {
      editor.style.flex = empty ? '12' : '3';
    }
  }, [empty, storage]);
  return null;
}
