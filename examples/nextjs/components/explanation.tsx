import type { ReactNode } from 'react'

/** Says at the head of a page how it asks, and in which files that is written. */
export function Explanation({ title, files, children }: { title: string; files: string[]; children: ReactNode }) {
  return (
    <div className="explanation">
      <h1>{title}</h1>
      <p>{children}</p>
      <ul aria-label="Files">
        {files.map(file => <li key={file}><code>{file}</code></li>)}
      </ul>
    </div>
  )
}
