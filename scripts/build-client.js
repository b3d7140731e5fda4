/**
 * Bundles the client for a script tag: `dist/client/nestwire.js`, with its source map. Run after `nest build`.
 *
 * The stock client is bundled from its modules, so both share one copy of engine.io-client.
 */
import { build } from 'vite';

await build({
  configFile: false,
  logLevel: 'warn',
  build: {
    target: 'es2020',
    minify: 'esbuild',
    sourcemap: true,
    outDir: 'dist/client',
    emptyOutDir: false,
    lib: { entry: 'dist/client/script.js', formats: ['iife'], name: 'nestwireScript', fileName: () => 'nestwire.js' },
  },
});
