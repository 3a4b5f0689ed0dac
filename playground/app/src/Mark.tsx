/** The mark of the product; index.html has it as the icon of the page. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#5b4be0" />
      <path d="M10 9v8a6 6 0 0 0 12 0V9" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
      <circle cx="10" cy="9" r="3" fill="#fff" />
      <circle cx="22" cy="9" r="3" fill="#fff" />
    </svg>
  );
}
