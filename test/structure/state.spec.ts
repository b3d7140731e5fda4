import { describe, expect, it } from '@jest/globals';
import { filesBelow, read } from './sources.js';
import { moduleState, nameChecks } from './state.js';

const lib = filesBelow('lib', /\.ts$/);

describe('the length of a file', () => {
  it('is at most 400 lines in lib', () => {
    const lengths = lib.map((path) => [path, read(path).trimEnd().split('\n').length] as const);
    expect(lengths.filter(([, lines]) => lines > 400)).toEqual([]);
  });
});

describe('state of a module', () => {
  it.each([
    `let counter = 0;`,
    `var last;`,
    `export let current: string;`,
    `const sessions = new Map<string, string>();`,
    `const listeners: string[] = [];`,
    `const seen: ReadonlyArray<string> = [];`,
    `const known = {} as Record<string, string>;`,
    `export const names = ['a', 'b'];`,
    `export const table = { a: 1 };`,
    `export const table: Record<string, number> = { a: 1 };`,
    `export const codes = new Map([['a', 1]]);`,
    `class A { static count = 0; }`,
    `class A { static readonly all = new Set(); }`,
    `class A { private static readonly table = { a: 1 }; }`,
  ])('is found in %s', (text) => {
    expect(moduleState('x.ts', text)).toHaveLength(1);
  });

  it.each([
    `const SEPARATOR = '\\x1e';`,
    `export const names = ['a', 'b'] as const;`,
    `export const names: readonly string[] = ['a', 'b'];`,
    `export const codes: ReadonlyMap<string, number> = new Map([['a', 1]]);`,
    `export const table: Readonly<Record<string, number>> = { a: 1 };`,
    `export const table = Object.freeze({ a: 1 });`,
    `export const codec: Codec = { encode, decode };`,
    `const known = new WeakMap<object, string>();`,
    `const kept = Symbol('kept');`,
    `function f() { let count = 0; const all = []; return [count, all]; }`,
    `class A { static readonly NAME = 'a'; static of() { return new A(); } }`,
  ])('is not found in %s', (text) => {
    expect(moduleState('x.ts', text)).toEqual([]);
  });

  it('does not exist in lib: two applications in one process share nothing but the names of emitters', () => {
    // decorators run before there is an application to ask
    const permitted = /^lib\/nest\/emitters\/emitter-tokens\.ts:\d+ REQUESTED is there to be filled$/;
    const found = lib.flatMap((path) => moduleState(path, read(path)));
    expect(found.filter((state) => !permitted.test(state))).toEqual([]);
    expect(found).toHaveLength(1);
  });
});

describe('the name of a transport', () => {
  it.each([
    `if (transport.name === 'websocket') f();`,
    `const slow = 'polling' != name;`,
    `switch (name) { case 'jsonp': f(); }`,
    `const can = names.includes('webtransport');`,
  ])('is asked by %s', (text) => {
    expect(nameChecks('x.ts', text)).toHaveLength(1);
  });

  it.each([`const transports = ['polling', 'websocket'];`, `const upgrades = header === 'Upgrade';`])(
    'is not asked by %s',
    (text) => {
      expect(nameChecks('x.ts', text)).toEqual([]);
    },
  );

  it('is asked in the registry alone', () => {
    const asking = lib.filter((path) => !path.startsWith('lib/client/') && !path.endsWith('/transports/registry.ts'));
    expect(asking.flatMap((path) => nameChecks(path, read(path)))).toEqual([]);
  });
});
