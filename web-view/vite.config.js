import { defineConfig } from 'vite';
import { land } from './land.js';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [land()],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  // Nothing inline: the policy that the page is served with forbids it.
  // Two pages: the local cloud's, and the one of a fleet that runs.
  build: {
    rollupOptions: { input: ['index.html', 'fleet.html'].map((name) => `${import.meta.dirname}/${name}`) },
    outDir: 'build/page',
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
