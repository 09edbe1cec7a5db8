import { defineConfig } from 'vite';

// `npm run build:web`: the page of the licence server, to web/dist. Names carry a hash of the content, so that everything but
// index.html may be cached for ever. No inlining: the page's security policy allows only files of its own origin.
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
});
