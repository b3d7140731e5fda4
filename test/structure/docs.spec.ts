import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { DEFAULT_ATTACH_OPTIONS, DEFAULT_LIMITS, DEFAULT_OPTIONS } from '../../lib/engine/options.js';
import { filesBelow, parse, read, ROOT, walk } from './sources.js';

const papers = ['README.md', 'CHANGELOG.md', ...filesBelow('docs', /\.md$/)];

/** The rows of all tables of a page: the text of the first cell without its backticks, and the cells. */
function tableRows(page: string): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const line of read(page).split('\n')) {
    if (!line.startsWith('|')) continue;
    // A bar within a cell is written \|.
    const cells = line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()); // prettier-ignore
    const [, name] = /^`(\w+)`$/.exec(cells[0] ?? '') ?? [];
    if (name) rows.set(name, cells);
  }
  return rows;
}

/** How the pages write a default. */
function written(value: unknown): string {
  if (value === undefined) return 'unset';
  if (value === Infinity) return 'unlimited';
  if (typeof value === 'string' && value.startsWith('/')) return `\`${value}\``;
  const text = JSON.stringify(value)
    .replaceAll('"', "'")
    .replaceAll(',', ', ')
    .replace(/^\{'(\w+)':(.*)\}$/, '{ $1: $2 }');
  return `\`${text}\``;
}

/** The names that an interface of a file declares. */
function membersOf(path: string, name: string): string[] {
  const members: string[] = [];
  walk(parse(path, read(path)), (node) => {
    if (!ts.isInterfaceDeclaration(node) || node.name.text !== name) return;
    for (const member of node.members) if (member.name) members.push(member.name.getText());
  });
  expect(members).not.toEqual([]);
  return members;
}

/** The string literals within a type alias of a file. */
function literalsOf(path: string, name: string): string[] {
  const literals: string[] = [];
  walk(parse(path, read(path)), (node) => {
    if (!ts.isTypeAliasDeclaration(node) || node.name.text !== name) return;
    walk(node, (child) => void (ts.isStringLiteral(child) && literals.push(child.text)));
  });
  expect(literals).not.toEqual([]);
  return literals;
}

describe('docs/options.md', () => {
  const rows = tableRows('docs/options.md');

  it.each([
    ['the engine', { ...DEFAULT_OPTIONS, limits: undefined }],
    ['attaching', DEFAULT_ATTACH_OPTIONS],
    ['limits', DEFAULT_LIMITS],
  ] as [string, Record<string, unknown>][])('has every option of %s with its default', (_part, defaults) => {
    const { limits: _table, ...plain } = defaults;
    const documented = Object.keys(plain).map((name) => [name, rows.get(name)?.[1]]);
    expect(documented).toEqual(Object.entries(plain).map(([name, value]) => [name, written(value)]));
  });

  it('has every option that engine.io has', () => {
    const stock = ['ServerOptions', 'AttachOptions'].flatMap((name) =>
      membersOf('node_modules/engine.io/build/server.d.ts', name),
    );
    expect(stock.filter((name) => !rows.has(name))).toEqual([]);
  });

  it('has every option that our typings declare', () => {
    const declared = [
      ...['EngineOptions', 'AttachOptions', 'LimitOptions'].flatMap((name) => membersOf('lib/engine/options.ts', name)),
      ...membersOf('lib/nest/nestwire-options.ts', 'NestwireOptions'),
      ...literalsOf('lib/socket-io/bind-socket-io.ts', 'SocketIoOptions'),
    ];
    expect(declared.filter((name) => !rows.has(name))).toEqual([]);
  });
});

describe('README.md', () => {
  it('gives options the same defaults as the reference', () => {
    const reference = tableRows('docs/options.md');
    const engineOptions = [...tableRows('README.md')].filter(([name]) => name in DEFAULT_OPTIONS && name !== 'limits');
    expect(engineOptions.length).toBeGreaterThan(5);
    for (const [name, cells] of engineOptions) expect([name, cells[1]]).toEqual([name, reference.get(name)?.[1]]);
  });

  it('names every limit', () => {
    const rows = tableRows('README.md');
    expect(Object.keys(DEFAULT_LIMITS).filter((name) => !rows.has(name))).toEqual([]);
  });
});

describe('the pages', () => {
  it.each(papers)('%s links to pages and headings that exist', (page) => {
    const anchorsOf = (path: string) =>
      [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .replaceAll(' ', '-'),
      );
    const broken = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [file, anchor] = link.split('#');
        const target = file ? posix.join(posix.dirname(page), file) : page;
        return !existsSync(join(ROOT, target)) || (anchor && !anchorsOf(target).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  it('show code that compiles', () => {
    const blocks = new Map<string, string>();
    for (const page of papers) {
      const found = [...read(page).matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
      found.forEach(([, code], index) => blocks.set(join(ROOT, `${page.replaceAll(/\W/g, '-')}-${index}.ts`), code!));
    }
    expect(blocks.size).toBeGreaterThanOrEqual(4);

    const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists } = host;
    host.readFile = (path) => blocks.get(path) ?? readFile(path);
    host.fileExists = (path) => blocks.has(path) || fileExists(path);
    const program = ts.createProgram([...blocks.keys()], { ...options, noUnusedLocals: false }, host);
    const problems = [...blocks.keys()].flatMap((path) => {
      const source = program.getSourceFile(path);
      const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return diagnostics.map(
        ({ messageText }) => `${posix.basename(path)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
      );
    });
    expect(problems).toEqual([]);
  }, 60_000);
});
