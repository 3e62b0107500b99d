import { defineConfig } from 'vite';
import { land } from './land.js';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [land()],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  // Nothing inline: the policy that the page is served with forbids it.
  build: { outDir: 'build/page', target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
});
