import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { SYSTEM_PARTS } from '../support/system-parts.js';
import { filesBelow, importsOf, parse, read, repositoryFiles, resolveRelative, ROOT, walk } from './sources.js';

/** What a path of somebody's machine looks like, wherever it was written. */
const MACHINE_PATHS = [
  /\/(home|Users)\/[a-z][\w.-]*\//,
  /(?<![\w.])\/root\//,
  /\b[A-Z]:\\+Users\\/,
  /(?<![\w.])\/tmp\//,
];

/** The folder this very copy lives in, and the home of who runs it, unless they are too short to tell anything. */
const HERE = [ROOT, homedir()].filter((path) => path.length > 6);

function machinePaths(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      MACHINE_PATHS.some((pattern) => pattern.test(line)) || HERE.some((place) => line.includes(place))
        ? [`${path}:${index + 1} ${line.trim().slice(0, 120)}`]
        : [],
    );
}

const isText = (path: string): boolean =>
  /\.(ts|js|mjs|cjs|json|md|html|css|sh|yml|yaml|conf)$|^\.[^/]+$|^\.ci\//.test(path);

const isUnit = (path: string) =>
  !/^test\/(browser|package|sample)\//.test(path) && !/\.(system|full)\.spec\.ts$/.test(path);

/** The files of the tests that a spec loads: itself, its support files and theirs. */
function reach(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path) || !path.startsWith('test/') || !existsSync(join(ROOT, path))) return seen;
  seen.add(path);
  for (const { specifier } of importsOf(parse(path, read(path)))) {
    if (specifier.startsWith('.')) reach(resolveRelative(path, specifier), seen);
  }
  return seen;
}

const PROGRAMS = Object.values(SYSTEM_PARTS).flatMap(({ programs }) => programs);

/** Whether a file starts a browser, a proxy or a database: it names the program, or the driver of browsers. */
function startsProgram(path: string): boolean {
  const source = parse(path, read(path));
  let found = importsOf(source).some(({ specifier }) => specifier === 'puppeteer-core');
  walk(source, (node) => {
    if (ts.isStringLiteralLike(node) && PROGRAMS.includes(node.text)) found = true;
  });
  return found;
}

describe('the lock file', () => {
  interface Entry {
    version?: string;
    resolved?: string;
    integrity?: string;
    optional?: boolean;
    os?: string[];
    optionalDependencies?: Record<string, string>;
  }
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Entry> };
  const entries = Object.entries(lock.packages).filter(([name]) => name !== '');

  it('names no registry: every user has his own', () => {
    expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([name]) => name)).toEqual([]);
    expect(read('.npmrc')).not.toMatch(/registry\s*=\s*http/);
  });

  it('pins every package by its content', () => {
    expect(entries.length).toBeGreaterThan(100);
    // Builds for other platforms are named even where the lock file was made without access to them.
    const unpinned = entries.filter(([, { integrity, optional, os }]) => !integrity && !(optional && os));
    expect(unpinned.map(([name]) => name)).toEqual([]);
  });

  it('names the builds for all platforms: npm refuses a clean install when one is missing', () => {
    const wanted = entries.flatMap(([, { optionalDependencies = {} }]) => Object.keys(optionalDependencies));
    const named = new Set(
      entries.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)),
    );
    expect(wanted).toContain('@swc/core-darwin-arm64');
    expect(wanted.filter((name) => !named.has(name))).toEqual([]);
  });

  it('has the version and the ranges of the manifest', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, unknown>;
    expect(lock.packages['']).toMatchObject({
      version: manifest.version,
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
      peerDependencies: manifest.peerDependencies,
    });
  });
});

describe('the files of the repository', () => {
  // Written in pieces, or this file would be found.
  it.each([
    ['home', 'ann', 'nestwire'],
    ['Users', 'ann', 'x'],
    ['root', 'x'],
    ['tmp', 'x'],
  ])('/%s/… is seen', (...parts) => {
    expect(machinePaths('x', `see /${parts.join('/')}`)).toHaveLength(1);
  });

  it('name no path of a machine', () => {
    const files = repositoryFiles().filter((path) => isText(path) && path !== 'package-lock.json');
    expect(files).toContain('package.json');
    expect(files.flatMap((path) => machinePaths(path, read(path)))).toEqual([]);
  });
});

describe('unit specs', () => {
  it('need no browser, no proxy and no database', () => {
    const specs = filesBelow('test', /\.spec\.ts$/);
    const heavy = specs.filter((path) => [...reach(path)].some(startsProgram));
    expect(heavy).not.toEqual([]);
    expect(heavy.filter(isUnit)).toEqual([]);
  });
});
