import type { NextConfig } from 'next'

export default {
  poweredByHeader: false,
  headers: async () => [
    {
      source: '/(.*)',
      headers: [
        // No other site may show these pages in a frame.
        { key: 'Content-Security-Policy', value: "frame-ancestors 'none'" },
        { key: 'X-Content-Type-Options', value: 'nosniff' },
      ],
    },
  ],
  // This folder is an app of its own, whatever lies above it.
  turbopack: { root: import.meta.dirname },
  // `next dev` may be opened by either name of this machine.
  allowedDevOrigins: ['127.0.0.1'],
} satisfies NextConfig
