/**
 * Bundles the client for a script tag: `dist/client/nestwire.js` and, with all legacy transports, `nestwire.legacy.js`, with
 * their source maps. Puts the Flash movie beside them. Run after `nest build`.
 *
 * The stock client is bundled from its modules, so both share one copy of engine.io-client. What either keeps to itself gets
 * short names: private members of ours, and names of the stock one that begin with `_`, as in its own minified builds.
 */
import { copyFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { minify } from '@swc/core';
import { build, transformWithEsbuild } from 'vite';
import { privateNames } from './private-names.js';

const BUILT = resolve('dist/client');

/** Names that go over the wire, and those that ours looks for in a stock client, which may be another copy. */
const RESERVED = ['_placeholder', '___eio', '_probe', '_transportsByName', '_cookieJar'];

const sources = readdirSync('lib/client', { recursive: true }).filter((name) => name.endsWith('.ts'));

/** @param isIn which of our sources may be in the bundle: names that others have as well cannot be replaced. */
const shortNames = (isIn) => ({
  name: 'short-names',
  async renderChunk(code, { modules }) {
    const others = Object.entries(modules).filter(([path]) => !path.startsWith(BUILT));
    const parts = others.map(([path, module]) => transformWithEsbuild(module.code, path, { minifyWhitespace: true }));
    // without comments, whose words are not names
    const mine = sources.filter(isIn).map((name) => join('lib/client', name));
    const names = privateNames(mine, (await Promise.all(parts)).map((part) => part.code).join('\n'));
    return transformWithEsbuild(code, 'nestwire.js', {
      mangleProps: new RegExp(`^(_.+|${names.join('|')})$`),
      // socket.io-client reaches for some of its own as `io["_destroy"]`
      mangleQuoted: true,
      reserveProps: new RegExp(`^(${RESERVED.join('|')})$`),
      target: 'es2020',
    });
  },
});

/** Parts of the stock client for what has no ES2020, or takes no script tag: ActiveX, `attachEvent`, React Native. */
const OUTDATED = [
  [
    'transports/polling-xhr.js',
    /if \(!xdomain\) \{\s*try \{\s*return new globalThis\[.*?\}\s*catch \(e\) \{ \}\s*\}/s,
    '',
  ],
  ['transports/polling-xhr.js', 'typeof attachEvent === "function"', 'false'],
  ['transports/websocket.js', /const isReactNative =.*?;/s, 'const isReactNative = false;'],
];

const upToDate = {
  name: 'up-to-date',
  transform(code, id) {
    const mine = OUTDATED.filter(([path]) => id.endsWith(`engine.io-client/build/esm/${path}`));
    if (mine.length === 0) return undefined;
    for (const [path, outdated, replacement] of mine) {
      const before = code;
      // as many lines, for the source map
      code = code.replace(outdated, (part) => replacement + part.replace(/[^\n]/g, ''));
      if (code === before) throw new Error(`${path} has another ${outdated}`);
    }
    return transformWithEsbuild(code, id);
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

// else Vite takes the stock client's modules for developers, should a test have it built
process.env.NODE_ENV = 'production';

/** The files, the module that each is made of, and what of ours is in it. */
const BUNDLES = [
  { fileName: 'nestwire.js', module: 'script.js', isIn: (name) => !name.startsWith('flash') },
  { fileName: 'nestwire.legacy.js', module: 'legacy-script.js', isIn: () => true },
];

for (const { fileName, module, isIn } of BUNDLES) {
  await build({
    configFile: false,
    logLevel: 'warn',
    plugins: [upToDate, shortNames(isIn), smaller],
    build: {
      target: 'es2020',
      minify: false,
      sourcemap: true,
      outDir: BUILT,
      emptyOutDir: false,
      lib: {
        entry: join('dist/client', module),
        formats: ['iife'],
        name: 'nestwireScript',
        fileName: () => fileName,
      },
      rollupOptions: { output: { freeze: false, generatedCode: { symbols: false } } },
    },
  });
}

copyFileSync('flash/nestwire.swf', join(BUILT, 'nestwire.swf'));
