import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { privateNames } from '../../scripts/private-names.js';
import { ROOT } from './packed.js';

/** Bytes, compressed, by which the file may be larger than the stock client. README.md says the same. */
const ALLOWANCE = 6 * 1024;

const BUNDLE = join(ROOT, 'dist/client/nestwire.js');
const STOCK = join(ROOT, 'node_modules/socket.io/client-dist/socket.io.min.js');
const bundle = readFileSync(BUNDLE, 'utf8');

describe('nestwire.js', () => {
  it('is little larger than the stock client, and README.md says by how much', () => {
    const [ours, stock] = [BUNDLE, STOCK].map((path) => gzipSync(readFileSync(path)).length);
    expect(ours! - stock!).toBeLessThanOrEqual(ALLOWANCE);
    const [, told] = /at most (\d+) KB/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
    expect(Number(told) * 1024).toBe(ALLOWANCE);
  });

  it('has the client for browsers in it, and nothing for developers', () => {
    // names of debug logs, and of what Node alone has
    expect(bundle).not.toMatch(/(socket|engine)\.io-client:|\brequire\(|node:|process\.env/);
  });

  it.each(['_placeholder', '_probe', '_transportsByName', '_cookieJar'])(
    'keeps a name that others know: %s',
    (name) => {
      expect(bundle).toMatch(new RegExp(`[.{,]${name}\\b`));
    },
  );

  it('has no legacy transport, which nestwire.legacy.js has all', () => {
    const legacy = readFileSync(join(ROOT, 'dist/client/nestwire.legacy.js'), 'utf8');
    for (const part of ['___eio', '"htmlfile"', '&origin=']) {
      expect(bundle).not.toContain(part);
      expect(legacy).toContain(part);
    }
    expect(legacy).toContain('//# sourceMappingURL=nestwire.legacy.js.map');
  });

  it('has no code for ActiveX, attachEvent and React Native', () => {
    expect(bundle).not.toMatch(/XMLHTTP"|attachEvent|reactnative/);
  });

  it('keeps no name that is private to the stock client, nor one of ours', () => {
    const stock = readFileSync(join(ROOT, 'node_modules/engine.io-client/build/esm/socket.js'), 'utf8');
    for (const name of ['_pingTimeoutTime', '_maxPayload']) {
      expect(stock).toContain(name);
      expect(bundle).not.toContain(name);
    }
    const own = readFileSync(join(ROOT, 'lib/client/streaming-transport.ts'), 'utf8');
    for (const name of ['heldBackSince', 'bytesToConfirm']) {
      expect(own).toContain(`private ${name}`);
      expect(bundle).not.toContain(name);
    }
  });
});

describe('a private name can be replaced', () => {
  function namesIn(source: string, others = ''): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'nestwire-names-'));
    try {
      writeFileSync(join(folder, 'source.ts'), source);
      return privateNames([join(folder, 'source.ts')], others).toSorted();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const CLASS = `export class Known {
    private field = 1;
    shown = 2;
    constructor(private readonly given: string) {}
    private get sum(): number { return this.field + this.given.length; }
    private run(): number { const { field, sum } = this; return field + sum; }
    open(): number { return this.run(); }
  }
  `;

  it('when it is a field, a parameter, an accessor or a method, taken apart or not', () => {
    expect(namesIn(CLASS)).toEqual(['field', 'given', 'run', 'sum']);
  });

  it.each([
    ['a member of another class', 'export class Other { field = 1; }'],
    ['a protected member', 'export class Other { protected field = 1; }'],
    ['a member of an interface', 'export interface Other { field: number }'],
    ['written out in an object', 'export const other = { field: 1 };'],
    ['put into an object', 'const field = 1; export const other = { field };'],
    ['asked of what is not known', 'export const other = (it: any): unknown => it.field;'],
    ['taken out of what is not known', 'export const other = ({ field }: any): unknown => field;'],
    ['asked of what others made', 'export const other = (it: { field: number }): unknown => it.field;'],
    ['a string', "export const other = 'field';"],
  ])('but not when it is also %s', (_what, source) => {
    expect(namesIn(CLASS + source)).toEqual(['given', 'run', 'sum']);
  });

  it('when it is a member for this package, of a class or an interface, or by itself, also in an object of that type', () => {
    const source = `/** @package */
    export interface Sink { taken: number; open(): void }
    /** @package */
    export class Packed implements Sink { taken = 1; constructor(readonly given: string) {} open(): void {} }
    export class Other {
      /** @package */
      inner = 1;
      outer = 2;
    }
    export const sink: Sink = { taken: 1, open() {} };
    export const loose = { outer: 3 };
    export const sum = (packed: Packed, other: Other): number => packed.taken + packed.given.length + other.inner;
    `;
    expect(namesIn(source, 'function open() {}')).toEqual(['given', 'inner', 'taken']);
    expect(namesIn(`${source} export const unknown = (it: any): unknown => it.taken;`)).toEqual(['given', 'inner']);
  });

  it('but not when it stands anywhere in what else is in the file', () => {
    expect(namesIn(CLASS, 'function x(a) { a.run(); } const given = 1; // sum')).toEqual(['field']);
  });
});
