/**
 * Bundles the client for a script tag: `dist/client/nestwire.js`, with its source map. Run after `nest build`.
 *
 * The stock client is bundled from its modules, so both share one copy of engine.io-client. What either keeps to itself gets
 * short names: private members of ours, and names of the stock one that begin with `_`, as in its own minified builds.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { minify } from '@swc/core';
import { build, transformWithEsbuild } from 'vite';
import { privateNames } from './private-names.js';

const BUILT = resolve('dist/client');

/** A stock name that goes over the wire, and those that ours looks for in a stock client, which may be another copy. */
const RESERVED = ['_placeholder', '_probe', '_transportsByName', '_cookieJar'];

const sources = readdirSync('lib/client', { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('lib/client', name));

const shortNames = {
  name: 'short-names',
  renderChunk(code, { modules }) {
    const others = Object.entries(modules).filter(([path]) => !path.startsWith(BUILT));
    const names = privateNames(sources, others.map(([, module]) => module.code).join('\n'));
    return transformWithEsbuild(code, 'nestwire.js', {
      mangleProps: new RegExp(`^(_.+|${names.join('|')})$`),
      // socket.io-client reaches for some of its own as `io["_destroy"]`
      mangleQuoted: true,
      reserveProps: new RegExp(`^(${RESERVED.join('|')})$`),
      target: 'es2020',
    });
  },
};

/** swc's minifier: its output is 4 % smaller, compressed, than that of esbuild's. */
const smaller = {
  name: 'minify',
  renderChunk: {
    // nothing that formats comes after it
    order: 'post',
    handler: (code) => minify(code, { compress: { ecma: 2020, passes: 3 }, mangle: true, sourceMap: true }),
  },
};

await build({
  configFile: false,
  logLevel: 'warn',
  plugins: [shortNames, smaller],
  build: {
    target: 'es2020',
    minify: false,
    sourcemap: true,
    outDir: BUILT,
    emptyOutDir: false,
    lib: {
      entry: 'dist/client/script.js',
      formats: ['iife'],
      name: 'nestwireScript',
      fileName: () => 'nestwire.js',
    },
    rollupOptions: { output: { freeze: false, generatedCode: { symbols: false } } },
  },
});
