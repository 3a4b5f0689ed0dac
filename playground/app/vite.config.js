import { defineConfig } from 'vite';
import { mendPackages } from './mends.js';

export default defineConfig({
  // Relative, so that the page works at /, at /playground, and behind a proxy that adds a path.
  base: './',
  plugins: [mendPackages()],
  build: {
    outDir: 'build',
    assetsDir: 'playground',
    license: { fileName: 'playground/licenses.md' },
    // Monaco cannot be cut smaller; its size is known.
    chunkSizeWarningLimit: 8000,
    // "use client" means nothing in a page without a server.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  worker: { format: 'es' },
});
