/**
 * Joins the compiled modules of the server side into one file a layer. Run after `nest build`.
 *
 * Node takes about a millisecond for each ES module that it loads, so a hundred small files are a tenth of an application's
 * start. The declarations stay as they are, and so does the client, which bundlers of pages take apart.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { build } from 'vite';

const BUILT = resolve('dist');
const CLIENT = join(BUILT, 'client') + sep;

/** What `package.json` exports, without `.js`. */
const ENTRIES = ['index', 'engine/index', 'redis/index', 'scale-out/index', 'testing/index'];

/** Where the layers go: as deep below the package as the modules were, for those that ask where they are. */
const LAYERS = 'layers';

const isBelow = (folder, path) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** The compiler's maps, so that errors name the sources. */
const compilerMaps = {
  name: 'compiler-maps',
  load: (id) =>
    isBelow(BUILT, id) ? { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') } : undefined,
};

/** Which layer a module belongs to; entries are their own files. */
function layerOf(id) {
  const path = relative(BUILT, id);
  if (ENTRIES.includes(path.replace(/\.js$/, ''))) return undefined;
  return `${LAYERS}/${path.split(sep)[0]}`;
}

const result = await build({
  configFile: false,
  logLevel: 'warn',
  plugins: [compilerMaps],
  build: {
    ssr: true,
    target: 'es2022',
    minify: false,
    sourcemap: true,
    outDir: BUILT,
    emptyOutDir: false,
    rollupOptions: {
      input: Object.fromEntries(ENTRIES.map((name) => [name, join(BUILT, `${name}.js`)])),
      external: (id) => isBelow(CLIENT, id) || !/^[./]/.test(id),
      preserveEntrySignatures: 'strict',
      output: {
        format: 'es',
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        manualChunks: layerOf,
        generatedCode: 'es2015',
        minifyInternalExports: false,
        hoistTransitiveImports: false,
      },
    },
  },
});

const made = new Set(result.output.map(({ fileName }) => resolve(BUILT, fileName)));
for (const name of readdirSync(BUILT, { recursive: true })) {
  const path = resolve(BUILT, name);
  if (/\.js(\.map)?$/.test(path) && !isBelow(CLIENT, path) && !made.has(path)) rmSync(path);
}
