'use client'

import Link from 'next/link'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { isConfirmed, type Project, type Todo, type TodoList } from '@/lib/todos'

/** What can be done with a list. Each returns what went wrong, if something did. */
export type TodoActions = {
  create: (title: string, project: Project | null) => Promise<string | undefined>
  setDone: (todo: Todo, done: boolean) => Promise<string | undefined>
  remove: (todo: Todo) => Promise<string | undefined>
  readMore: () => Promise<string | undefined>
}

/** Shows a list as far as it has been read, with a form that adds to it. */
export function Todos({ list, projects, project, badge, actions }: {
  list: TodoList
  projects: Project[]
  project: string | undefined
  badge: ReactNode
  actions: TodoActions
}) {
  const [problem, setProblem] = useState<string>()
  const [told, tell] = useState('')
  const [reading, setReading] = useState(false)
  const rows = useRef<HTMLUListElement>(null)
  const title = useRef<HTMLInputElement>(null)
  const firstNew = useRef<number>(undefined)
  const todos = list.edges.map(({ node }) => node)

  // The focus goes on in what has been read, since the button may be gone.
  useEffect(() => {
    if (firstNew.current !== undefined && todos.length > firstNew.current) {
      focusRow(firstNew.current)
      firstNew.current = undefined
    }
  })
  const focusRow = (index: number) => {
    const boxes = rows.current?.querySelectorAll<HTMLInputElement>('input')
    const box = boxes?.[Math.min(index, boxes.length - 1)]
    ;(box ?? title.current)?.focus()
  }

  /** Tells what is being done at once, and what went wrong if something does. */
  async function attempt(action: Promise<string | undefined>, saying: string, failure: string) {
    setProblem(undefined)
    tell(saying)
    const error = await action
    if (error) {
      tell('')
      setProblem(`${failure}: ${error}`)
    }
    return error
  }

  async function add(form: FormData) {
    const text = String(form.get('title')).trim()
    const of = projects.find(({ id }) => id === form.get('project')) ?? null
    if (text) {
      const error = await attempt(actions.create(text, of), `Added ${text}`, `“${text}” was not added`)
      if (error && title.current && !title.current.value) {
        title.current.value = text
      }
    }
  }

  function remove(todo: Todo, index: number) {
    const removal = actions.remove(todo)
    void attempt(removal, `Deleted ${todo.title}`, `“${todo.title}” was not deleted`)
    // The row is gone by the next frame, and its button with it.
    requestAnimationFrame(() => focusRow(index))
  }

  async function more() {
    setReading(true)
    firstNew.current = todos.length
    if (await attempt(actions.readMore(), '', 'No more could be read')) {
      firstNew.current = undefined
    }
    setReading(false)
  }

  return (
    <section className="card todos" aria-label="Todos">
      {/* Not an async action: React would empty the form when that has ended, whatever has been typed since. */}
      <form action={form => void add(form)} className="new-todo">
        <label className="title">
          New todo
          <input ref={title} name="title" maxLength={200} autoComplete="off" required />
        </label>
        <label>
          Project
          <select name="project" defaultValue={project}>
            <option value="">None</option>
            {projects.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
          </select>
        </label>
        <button className="primary">Add</button>
      </form>
      {problem && <p role="alert" className="error">{problem}</p>}
      <p role="status" className="visually-hidden">{told}</p>

      <div className="row">
        <Filters projects={projects} project={project} />
        {badge}
      </div>
      {todos.length === 0 ? (
        <p className="empty">{project === undefined ? 'Nothing to do yet. Add your first todo above.' : 'Nothing to do here.'}</p>
      ) : (
        <ul className="rows" ref={rows} aria-label="Todos">
          {todos.map((todo, index) => (
            <li key={todo.id} aria-busy={!isConfirmed(todo)}>
              <label>
                <input
                  type="checkbox" checked={todo.done} disabled={!isConfirmed(todo)}
                  onChange={({ target }) =>
                    void attempt(actions.setDone(todo, target.checked), '', `“${todo.title}” was not changed`)}
                />
                <span>{todo.title}</span>
              </label>
              {todo.project && <span className="chip" data-color={todo.project.color}>{todo.project.name}</span>}
              <button disabled={!isConfirmed(todo)} onClick={() => remove(todo, index)} aria-label={`Delete ${todo.title}`}>
                <svg viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8m0-8-8 8" /></svg>
              </button>
            </li>
          ))}
        </ul>
      )}
      <div className="row">
        {list.pageInfo.hasNextPage && (
          <button onClick={more} disabled={reading}>{reading ? 'Loading…' : 'Load more'}</button>
        )}
        {todos.length > 0 && (
          <p className="aside">{list.pageInfo.hasNextPage ? `The newest ${todos.length}` : `All ${todos.length}`}</p>
        )}
      </div>
    </section>
  )
}

/** Leads to the list of one project. */
function Filters({ projects, project }: { projects: Project[]; project: string | undefined }) {
  const filters = [{ id: undefined, name: 'All' }, ...projects, { id: 'none', name: 'No project' }]
  return (
    <nav aria-label="Projects" className="filters">
      {filters.map(({ id, name }) => (
        <Link key={name} href={id ? `?project=${id}` : '?'} scroll={false} aria-current={id === project ? 'true' : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  )
}
