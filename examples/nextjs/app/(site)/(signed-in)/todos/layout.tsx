import type { ReactNode } from 'react'
import { Ways } from '@/components/navigation'

const ways = [
  { href: '/todos', title: 'Apollo' },
  { href: '/todos/urql', title: 'urql' },
]

export default function TodosLayout({ children }: { children: ReactNode }) {
  return (
    <>
      <Ways ways={ways} />
      {children}
    </>
  )
}
