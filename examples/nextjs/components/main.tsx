'use client'

import { usePathname } from 'next/navigation'
import { useEffect, useRef, type ReactNode } from 'react'

/** The content of a page. It gets the focus when the page changes, so that keyboards and screen readers begin there. */
export function Main({ children }: { children: ReactNode }) {
  const path = usePathname()
  const shown = useRef(path)
  const main = useRef<HTMLElement>(null)
  useEffect(() => {
    if (shown.current !== path) {
      shown.current = path
      main.current?.focus({ preventScroll: true })
    }
  }, [path])
  return <main id="content" ref={main} tabIndex={-1}>{children}</main>
}
