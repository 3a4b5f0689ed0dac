import { useEffect } from 'react';
import { pick, useGraphiQL, useVariablesEditorState } from '@graphiql/react';

/**
 * Breaks long lines of an operation, such as its description, and gives it the room of the variables while there are none.
 * A height that the user has chosen stays.
 */
export function FitEditors() {
  const { storage, queryEditor } = useGraphiQL(pick('storage', 'queryEditor'));
  const [variables] = useVariablesEditorState();
  const empty = variables.trim() === '';
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on' }), [queryEditor]);
  useEffect(() => {
    const editor = document.querySelector<HTMLElement>('.graphiql-query-editor');
    if (editor && !storage.get('secondaryEditorFlex')) {
      editor.style.flex = empty ? '12' : '3';
    }
  }, [empty, storage]);
  return null;
}
