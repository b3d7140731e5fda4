import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { request as send } from 'node:http';
import { runInNewContext } from 'node:vm';
import { codecFor } from '../../lib/engine/protocol/codec.js';
import { fromForm, namesCallback, toScript } from '../../lib/engine/transports/jsonp.js';
import { until, useEngines, type Harness } from '../support/wire-engine.js';
import { SCRIPT } from '../support/wire-forms.js';
import { expectService } from '../support/wire-hostile.js';
import { almostTextPayload, anyText, bytes, runs, SEARCH_TIMEOUT, wellFormedText } from './arbitraries.js';

/*
 * What pages embed: callbacks and forms of JSONP, and documents of the forever iframe. Here answers are judged: a browser runs
 * them in the page.
 */

const start = useEngines();

/** Fields of forms that are not quite what clients write. */
const almostField = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '%',
        '%5C',
        '%5Cn',
        '\\n',
        '\\\\n',
        '+',
        '&',
        'd=',
        '%E2%82%AC',
        '%E2',
        '%FF',
        '%zz',
        '%1E',
        '4',
        'b',
      ),
      almostTextPayload,
      anyText.map((text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '-'))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const almostForm = fc.oneof(
  { weight: 6, arbitrary: almostField.map((field) => `d=${field}`) },
  { weight: 1, arbitrary: almostField },
  { weight: 1, arbitrary: anyText },
);

const callback = fc.oneof(
  fc.constantFrom('0', '7', '1234567890', '12345678901', '', '__proto__', '1;alert(1)', '0](1);//', '\u0663', '1e3'),
  fc.string({ unit: fc.constantFrom('0', '1', '9', ' ', '-', '.', '[', '\n', 'x', '\u0660') }),
  anyText,
);

describe('a form', () => {
  it('carries whatever a client escapes', () => {
    fc.assert(
      fc.property(fc.oneof(wellFormedText, almostField), (text) => {
        const plain = text.replace(/\p{Surrogate}/gu, '-');
        expect(fromForm(String(SCRIPT.request(plain).body))).toBe(plain);
      }),
      runs(500),
    );
  });

  it('is read or refused, never thrown at, whatever it is', () => {
    fc.assert(
      fc.property(almostForm, (form) => {
        const payload = fromForm(form);
        if (payload === null) return;
        // unescaping only takes away
        expect(payload.length).toBeLessThanOrEqual(form.length);
        for (const version of [3, 4] as const) {
          const errors = codecFor(version)
            .decodePayload(payload)
            .filter(({ type }) => type === 'error');
          expect(errors.length).toBeLessThanOrEqual(1);
        }
      }),
      runs(1_000),
    );
  });
});

describe('a script', () => {
  it('calls the callback with the payload and does nothing else, or the callback is refused', () => {
    fc.assert(
      fc.property(callback, anyText, (j, payload) => {
        const isNamed = namesCallback({ _query: { j } } as never);
        expect(isNamed).toBe(/^[0-9]{1,10}$/.test(j) && !j.includes('\n'));
        if (!isNamed) return;
        const script = toScript(j, payload);
        // neither the end of an element nor of a line is in it
        expect(script).toMatch(/^\/\*\*\/___eio\[\d+\]\("[^<\u2028\u2029\n\r\0]*"\);$/);
        const got: unknown[] = [];
        runInNewContext(script, { ___eio: { [j]: (text: string) => got.push(text) } });
        expect(got).toEqual([payload]);
      }),
      runs(300),
    );
  });
});

const origin = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('{own}', '{own}', 'https://evil.example') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'null', '{own}/', "{own}'-x-'", '{own};x', '{own}\r\nx:y', '</script><script>', '*'),
  },
  { weight: 1, arbitrary: wellFormedText },
);

interface Asked {
  method: string;
  transport: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body: string | Buffer;
}

const query = fc.record(
  {
    j: callback.map((j) => j.replace(/\p{Surrogate}/gu, '-')),
    origin,
    sid: fc.constantFrom('{sid}', '{sid}', 'nobody'),
    b64: fc.constant('1'),
    resume: fc.constantFrom('1', '0'),
    seq: fc.constantFrom('1', '2', 'x'),
    ack: fc.constantFrom('0', '-1', '9'),
  },
  { requiredKeys: [] },
);

const headers = fc.record(
  {
    referer: origin.map((page) => `${page}/page`.replace(/[^\x20-\x7e]/g, '-')),
    origin: fc.constantFrom('{own}', 'https://evil.example', 'null'),
    cookie: fc.constant('session=of-a-user'),
    'sec-fetch-site': fc.constantFrom('same-origin', 'cross-site', 'same-site', 'none', 'x'),
    'content-type': fc.constantFrom('text/plain', 'application/octet-stream', 'application/x-www-form-urlencoded'),
  },
  { requiredKeys: [] },
);

const asked: fc.Arbitrary<Asked> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT'),
  transport: fc.constantFrom('polling', 'polling', 'htmlfile', 'jsonp'),
  query,
  headers,
  body: fc.oneof(almostForm, bytes),
});

/** An answer: its status and headers, and of the body what came within a turn or two, for some have no end. */
interface Answer {
  status: number;
  type: string;
  csp: string;
  text: string;
}

function answerTo(target: Harness, { method, transport, ...one }: Asked, sid: string): Promise<Answer | null> {
  const own = new URL(target.url).origin;
  const named = (given: Record<string, string>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replaceAll('{own}', own).replace('{sid}', sid)]),
    );
  const params = new URLSearchParams({ EIO: '4', transport, ...named(one.query) });
  return new Promise((resolve) => {
    const request = send(`${target.url}?${params}`, { method, headers: named(one.headers), agent: false });
    request.setHeader('connection', 'close');
    // cut by us, or by the server that does not want the body
    request.on('error', () => resolve(null));
    request.on('response', (response) => {
      const { 'content-type': type = '', 'content-security-policy': csp = '' } = response.headers;
      const answer = { status: response.statusCode!, type, csp: String(csp), text: '' };
      const finish = (): void => {
        request.destroy();
        resolve(answer);
      };
      response.on('error', finish).on('end', finish);
      response.on('data', (chunk: Buffer) => {
        answer.text += chunk.toString();
        // a document goes on
        if (type.startsWith('text/html') && method === 'GET' && answer.text.includes('</script>')) finish();
      });
    });
    request.end(method === 'GET' || method === 'HEAD' ? undefined : one.body);
  });
}

const DOCUMENT = /^<!-- *--><!doctype html>.*parent\.postMessage\(m,"(https?:\/\/[a-z0-9.:[\]_-]+)"\).*<\/script>/s;

/** What a browser would do with it, it may do. */
function judge({ status, type, csp, text }: Answer, { method }: Asked): void {
  expect([200, 400, 403, 405, 413]).toContain(status);
  if (type.startsWith('text/javascript')) {
    expect(text).toMatch(/^\/\*\*\/___eio\[\d{1,10}\]\("[^<\n]*"\);$/);
  } else if (type.startsWith('text/html') && method === 'GET') {
    const [, page] = DOCUMENT.exec(text) ?? [];
    // what is posted goes where the document may be shown, and there is one script
    expect(csp).toContain(`frame-ancestors ${page}`);
    expect(text.match(/<script/g)).toHaveLength(1);
  } else {
    // of the request nothing comes back
    expect(text).toMatch(/^(|ok|\{"code":\d+,"message":"[\w ]+"\}|[0-6][^<]*)$/);
  }
}

const OWN_PAGE = { referer: '{own}/page' };
const EVIL_PAGE = { referer: 'https://evil.example/page' };

function get(transport: string, query: Record<string, string>, headers: Record<string, string> = OWN_PAGE): Asked {
  return { method: 'GET', transport, query, headers, body: '' };
}

/** Where chance might not lead in so few runs: an answer of every kind. They are the first run. */
const EVERY_ANSWER: Asked[] = [
  get('polling', { j: '7' }),
  get('polling', { j: 'alert(1)' }),
  get('polling', { j: '7' }, EVIL_PAGE),
  get('htmlfile', { origin: '{own}' }),
  get('htmlfile', { origin: 'https://evil.example' }, EVIL_PAGE),
  get('htmlfile', { origin: "{own}'-alert(1)-'" }),
];

describe('requests for what a page embeds', () => {
  it(
    'are answered by what a page may run, or refused',
    async () => {
      const target = await start({ pingInterval: 50, pingTimeout: 100, upgradeTimeout: 100, maxHttpBufferSize: 500 });
      const statuses = new Set<string>();
      await fc.assert(
        fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 8 }), async (all) => {
          const opened = await answerTo(target, EVERY_ANSWER[0]!, '');
          const sid = /\\"sid\\":\\"([^\\]+)/.exec(opened!.text)![1]!;
          await Promise.all(
            all.map(async (one) => {
              const answer = await answerTo(target, one, sid);
              if (answer === null) return;
              judge(answer, one);
              statuses.add(`${answer.status} ${answer.type.split(';')[0]}`);
            }),
          );
        }),
        { ...runs(60), examples: [[EVERY_ANSWER]] },
      );
      // answers of each kind were judged
      expect([...statuses]).toEqual(
        expect.arrayContaining([
          '200 text/javascript',
          '200 text/html',
          '400 application/json',
          '403 application/json',
        ]),
      );
      await until(() => target.engine.clientsCount === 0);
      await expectService(target);
    },
    SEARCH_TIMEOUT,
  );
});
