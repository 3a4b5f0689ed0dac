/** Whether the page is one column, as on a phone: style.css has the same width. */
export function isNarrow(): boolean {
  return matchMedia('(max-width: 760px)').matches;
}
