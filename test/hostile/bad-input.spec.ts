import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { useEngines } from '../support/wire-engine.js';
import { expectService, type Case } from '../support/wire-hostile.js';
import { draftCases } from './drafts.js';
import { htmlFileCases, jsonpCases } from './embedded.js';
import { policyCases } from './flash-policy.js';
import { limitCases } from './limits.js';
import { pollingCases } from './long-polling.js';
import { requestCases } from './requests.js';
import { streamCases } from './streams.js';
import { webSocketCases } from './websocket.js';
import { webTransportCases } from './webtransport.js';

/*
 * docs/bad-input.md promises an answer to each kind of bad input. Every row of its tables is carried out here and
 * compared with what it promises, and every deed here has its row. Stock engine.io answers some of it differently, and
 * some not at all, so this cannot be run against it.
 */

interface Promised {
  input: string;
  answer: string;
  session: string;
}

const document = readFileSync(new URL('../../docs/bad-input.md', import.meta.url), 'utf8');

/** The rows of the tables below one heading. */
function promisedUnder(heading: string): Promised[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => /^\| (?!Input|---)/.test(line))
    .map((line) => {
      const [input, answer, session] = line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim());
      return { input: input!, answer: answer!.replaceAll('`', ''), session: session! };
    });
}

const sections: [string, Case[]][] = [
  ['Requests', requestCases],
  ['Long polling', pollingCases],
  ['Streaming', streamCases],
  ['WebSocket and upgrades', webSocketCases],
  ['JSONP', jsonpCases],
  ['Forever iframe', htmlFileCases],
  ['WebSocket before RFC 6455', draftCases],
  ['WebTransport', webTransportCases],
  ['Flash policy file', policyCases],
  ['Limits', limitCases],
];

const start = useEngines();

describe.each(sections)('bad input: %s', (heading, cases) => {
  const promised = new Map(promisedUnder(heading).map((row) => [row.input, row]));

  it('is documented, each kind of it', () => {
    expect([...promised.keys()].sort()).toEqual(cases.map(({ input }) => input).sort());
  });

  it.each(cases)('$input', async ({ input, run }) => {
    const { target, answer, session, left = session === 'lives on' ? 1 : 0 } = await run(start);
    expect({ input, answer, session }).toEqual(promised.get(input));
    // the next clients find nothing changed, and nobody is left behind
    await expectService(target);
    expect(target.engine.clientsCount).toBe(left);
  });
});
