import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { importsOf, packageOf, parse } from '../structure/sources.js';
import { filesIn, pack, readManifest, ROOT } from './packed.js';

const manifest = readManifest();
const folder = mkdtempSync(join(tmpdir(), 'nestwire-manifest-'));
let files: string[];

const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const ending = (suffix: string) => files.filter((path) => path.endsWith(suffix));

/** Modules that a file names and that are not files of ours. */
const packagesIn = (path: string): string[] =>
  importsOf(parse(path, text(path)))
    .map(({ specifier }) => specifier)
    .filter((specifier) => !specifier.startsWith('.'));

const isOurs = (name: string): boolean => name in manifest.dependencies || name in manifest.peerDependencies;

/** The package that TypeScript takes the types of a module from: the module's own, or one of `@types`. */
function typingsOf(specifier: string): string {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
  const mode = ts.ModuleKind.ESNext;
  const from = join(ROOT, 'dist', 'index.d.ts');
  const { resolvedModule } = ts.resolveModuleName(specifier, from, options, ts.sys, undefined, undefined, mode);
  return resolvedModule?.packageId?.name ?? 'none';
}

/** Whether a module waits for something before its importer may go on: `require()` of such a module throws. */
function awaitsAtTopLevel(path: string, source = text(path)): boolean {
  let found = false;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) return;
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) found = true;
    node.forEachChild(visit);
  };
  visit(parse(path, source));
  return found;
}

beforeAll(async () => {
  ({ files } = await pack(folder));
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The compiled entries of the server side. */
const ENTRIES = Object.entries(manifest.exports)
  .filter(([entry]) => entry !== './client')
  .flatMap(([, target]) => (typeof target === 'string' ? [] : [target['default']!.replace(/^\.\//, '')]));

const mapOf = (path: string) => JSON.parse(text(`${path}.map`)) as { sources: string[] };

/** The files for a script tag. */
const BUNDLES = ['dist/client/nestwire.js', 'dist/client/nestwire.legacy.js'];

const PAPERS = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'];

describe('the files of the package', () => {
  it('are the compiled sources, those of a layer of the server side in one, what they were compiled from, and the papers', () => {
    const sources = filesIn(join(ROOT, 'lib')).filter((name) => name.endsWith('.ts'));
    const withSuffixes = (names: string[], ...suffixes: string[]): string[] =>
      names.flatMap((name) => suffixes.map((suffix) => `dist/${name.replace(/\.ts$/, suffix)}`));
    const isClient = (name: string): boolean => name.startsWith('client/');
    const layers = new Set(
      sources.filter((name) => name.includes('/') && !isClient(name)).map((name) => name.split('/')[0]!),
    );
    expect(files).toEqual(
      [
        ...withSuffixes(sources, '.d.ts'),
        ...withSuffixes(sources.filter(isClient), '.js', '.js.map'),
        ...ENTRIES.flatMap((path) => [path, `${path}.map`]),
        ...[...layers].flatMap((name) => [`dist/layers/${name}.js`, `dist/layers/${name}.js.map`]),
        ...BUNDLES.flatMap((path) => [path, `${path}.map`]),
        'dist/client/nestwire.swf',
        ...PAPERS,
      ].toSorted(),
    );
  });

  it('carry source maps that need no file which is not there', () => {
    for (const path of ending('.js').filter((name) => !BUNDLES.includes(name))) {
      const map = `${posix.basename(path)}.map`;
      expect(text(path)).toContain(`//# sourceMappingURL=${map}`);
      const { sources, sourcesContent = [] } = JSON.parse(text(`${path}.map`)) as {
        sources: string[];
        sourcesContent?: string[];
      };
      // an entry of the server side says nothing itself
      expect([path, sources.length > 0]).toEqual([path, !ENTRIES.includes(path)]);
      sources.forEach((source, index) => {
        const name = posix.join(posix.dirname(path), source);
        expect([path, name]).toEqual([path, expect.stringMatching(/^lib\/.*\.ts$/)]);
        expect(sourcesContent[index]).toBe(text(name));
      });
    }
    expect(mapOf('dist/layers/engine.js').sources).toContain('../../lib/engine/session.ts');
    for (const path of BUNDLES) {
      const bundled = JSON.parse(text(`${path}.map`)) as { sources: string[]; sourcesContent: string[] };
      expect(bundled.sourcesContent).toHaveLength(bundled.sources.length);
      expect(text(path)).toContain(`//# sourceMappingURL=${posix.basename(path)}.map`);
    }
  });
});

describe('the entries of the package', () => {
  it('are those that users may import', () => {
    const entries = ['.', './engine', './client', './redis', './scale-out', './testing'];
    expect(Object.keys(manifest.exports)).toEqual([...entries, './package.json']);
  });

  it('name files that are in it, types first', () => {
    for (const [entry, target] of Object.entries(manifest.exports)) {
      if (typeof target === 'string') {
        expect(files).toContain(target.slice(2));
        continue;
      }
      expect([entry, Object.keys(target)]).toEqual([entry, ['types', 'default']]);
      for (const path of Object.values(target)) expect(files).toContain(path.replace(/^\.\//, ''));
      // The two halves of one entry belong together.
      expect(target.types!.replace(/\.d\.ts$/, '.js')).toBe(target.default);
    }
    expect(manifest.types).toBe((manifest.exports['.'] as { types: string }).types);
  });

  it('can be required: no module awaits at its top level', () => {
    expect(awaitsAtTopLevel('x.js', 'const x = await f();')).toBe(true);
    expect(awaitsAtTopLevel('x.js', 'const f = async () => await g(); class A { async m() { await g(); } }')).toBe(
      false,
    );
    expect(ending('.js').filter((path) => awaitsAtTopLevel(path))).toEqual([]);
  });

  it('are ES modules whose relative imports name a file', () => {
    expect(manifest.type).toBe('module');
    for (const path of [...ending('.js'), ...ending('.d.ts')]) {
      for (const { specifier } of importsOf(parse(path, text(path)))) {
        // the declarations of a module that is in a layer are in a file of their own
        const named = path.endsWith('.d.ts') ? specifier.replace(/\.js$/, '.d.ts') : specifier;
        if (specifier.startsWith('.')) expect(files).toContain(posix.join(dirname(path), named));
      }
    }
  });
});

describe('what the package needs', () => {
  it('is Nest 12 and its company, and a Node that can require ES modules', () => {
    expect(manifest.engines.node).toBe('^20.19 || ^22.12 || >=24');
    expect(manifest.peerDependencies).toEqual({
      '@nestjs/common': '^12.0.0',
      '@nestjs/core': '^12.0.0',
      '@nestjs/websockets': '^12.0.0',
      '@socket.io/redis-streams-adapter': '^0.3.0',
      'engine.io-client': '^6.6.0',
      redis: '^5.10.0',
      'reflect-metadata': '^0.2.0',
      rxjs: '^7.8.0',
      'socket.io-client': '^4.8.0',
    });
    // a server needs no client, and one node no Redis
    expect(manifest.peerDependenciesMeta).toEqual({
      '@socket.io/redis-streams-adapter': { optional: true },
      redis: { optional: true },
      'engine.io-client': { optional: true },
      'socket.io-client': { optional: true },
    });
    // Peers are what the specs run with.
    expect(Object.keys(manifest.devDependencies)).toEqual(
      expect.arrayContaining(Object.keys(manifest.peerDependencies)),
    );
  });

  it('is declared: nothing compiled imports a development dependency', () => {
    const missing = ending('.js').flatMap((path) =>
      packagesIn(path)
        .filter((specifier) => !specifier.startsWith('node:') && !isOurs(packageOf(specifier)))
        .map((specifier) => `${path} → ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  it('is declared for the types too, with the typings of packages that have none of their own', () => {
    const missing = ending('.d.ts').flatMap((path) =>
      packagesIn(path)
        .filter((specifier) => !specifier.startsWith('node:'))
        .filter((specifier) => !isOurs(packageOf(specifier)) || !isOurs(typingsOf(specifier)))
        .map((specifier) => `${path} → ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  it('is nothing that it does not use', () => {
    const used = new Set([...ending('.js'), ...ending('.d.ts')].flatMap(packagesIn).map(packageOf));
    const unused = Object.keys(manifest.dependencies).filter(
      (name) => !used.has(name) && !used.has(name.replace('@types/', '')),
    );
    expect(unused).toEqual([]);
  });

  it('names the modules of Node by their prefix', () => {
    const bare = ending('.js')
      .flatMap(packagesIn)
      .filter((specifier) => builtinModules.includes(specifier));
    expect(bare).toEqual([]);
  });
});

describe('the papers', () => {
  it('say what it is and under which terms', () => {
    expect(manifest.name).toBe('nestwire');
    expect(manifest.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(manifest.license).toBe('MIT');
    expect(text('LICENSE')).toMatch(/^MIT License[\s\S]*Nestwire contributors/);
    expect(manifest.description.length).toBeGreaterThan(20);
    expect(manifest.keywords).toContain('nestjs');
  });

  it('have an entry for this version among the changes', () => {
    expect(text('CHANGELOG.md')).toContain(`## [${manifest.version}]`);
  });
});
