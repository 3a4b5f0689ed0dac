import { defineConfig } from 'vite';

export default defineConfig({
  server: { host: '127.0.0.1', port: 3000 },
  preview: { host: '127.0.0.1' },
  // "use client" means nothing in a page without a server.
  build: { rolldownOptions: { checks: { moduleLevelDirective: false } } },
});
