import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { TRANSPORT_KINDS } from '../../lib/engine/transports/registry.js';
import { parse, read, ROOT, walk } from './sources.js';

const PAGE = 'docs/security.md';

/** Specs that exist for this page: what they try is a threat, and has to be on it. */
const OWN = ['test/hostile/security.spec.ts', 'test/hostile/exhaustion.spec.ts'];

/** A case that the page names: its file, and its title as it is written there. */
interface Reference {
  file: string;
  title: string;
}

interface ThreatRow {
  threat: string;
  tests: Reference[];
}

/** The rows of the tables `Threat | Defence | Test` of a page. */
function threatsOf(page: string): ThreatRow[] {
  const rows: ThreatRow[] = [];
  let isThreats = false;
  for (const line of page.split('\n')) {
    const cells = line.startsWith('|') ? line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()) : []; // prettier-ignore
    if (cells.length === 0) isThreats = false;
    else if (cells[0] === 'Threat') isThreats = cells[2] === 'Test';
    else if (isThreats && !/^-+$/.test(cells[0]!))
      rows.push({ threat: cells[0]!, tests: referencesIn(cells[2] ?? '') });
  }
  return rows;
}

function referencesIn(cell: string): Reference[] {
  return [...cell.matchAll(/`(test\/[^`]+)` “([^”]+)”/g)].map(([, file, title]) => ({ file: file!, title: title! }));
}

/** Titles that a spec gives: the first argument of `it`, `it.each(…)` and the like, and the `input` of a case of a table. */
function titlesIn(path: string, text: string, own = false): Set<string> {
  const titles = new Set<string>();
  walk(parse(path, text), (node) => {
    if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const named = own ? /^it\b/.test(node.expression.getText()) : true;
      if (named && first && ts.isStringLiteralLike(first)) titles.add(first.text);
    } else if (ts.isPropertyAssignment(node) && node.name.getText() === 'input' && !own) {
      if (ts.isStringLiteralLike(node.initializer)) titles.add(node.initializer.text);
    }
  });
  return titles;
}

describe('the tests that docs/security.md names', () => {
  const rows = threatsOf(read(PAGE));
  const references = rows.flatMap(({ tests }) => tests);

  it('are one at least for each threat', () => {
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter(({ tests }) => tests.length === 0).map(({ threat }) => threat)).toEqual([]);
  });

  it('exist, file and case', () => {
    const missing = references.filter(
      ({ file, title }) => !existsSync(join(ROOT, file)) || !titlesIn(file, read(file)).has(title),
    );
    expect(missing).toEqual([]);
  });

  it.each(OWN)('are all of %s', (file) => {
    const named = new Set(references.filter((one) => one.file === file).map(({ title }) => title));
    const titles = [...titlesIn(file, read(file), true)];
    expect(titles.length).toBeGreaterThan(5);
    expect(titles.filter((title) => !named.has(title))).toEqual([]);
  });

  it('are found by their titles alone', () => {
    const text = `
      it('plain', f); it.each([1])('each %s', f); describe.each(rows)('group $name', f);
      deed('a deed', act); const row = { input: 'a row', run() {} }; const other = 'no title'; f(x, 'second');
    `;
    expect([...titlesIn('x.ts', text)]).toEqual(['plain', 'each %s', 'group $name', 'a deed', 'a row']);
    expect([...titlesIn('x.ts', text, true)]).toEqual(['plain', 'each %s']);
    const page =
      '| Threat | Defence | Test |\n| --- | --- | --- |\n| a | b | `test/x.ts` “plain”<br>`test/y.ts` “z `q`” |\n';
    expect(threatsOf(page)).toEqual([
      { threat: 'a', tests: [{ file: 'test/x.ts', title: 'plain' }, { file: 'test/y.ts', title: 'z `q`' }] }, // prettier-ignore
    ]);
  });
});

describe('docs/security.md', () => {
  it('has something to say of every transport', () => {
    const headings = [...read(PAGE).matchAll(/^##+ (.+)$/gm)].map(([, heading]) => heading!).join('\n');
    expect([...TRANSPORT_KINDS.keys()].filter((name) => !headings.includes(`\`${name}\``))).toEqual([]);
  });
});
