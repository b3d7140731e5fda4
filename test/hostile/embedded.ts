import { ask, upgradeText } from '../support/wire-http.js';
import type { Harness } from '../support/wire-engine.js';
import {
  exchange,
  NO_SESSION,
  rowOf,
  same,
  told,
  victim,
  type Case,
  type Outcome,
  type Start,
  type Victim,
} from '../support/wire-hostile.js';

/*
 * What pages embed: the scripts and forms of JSONP, and the document of the forever iframe. For everything that is not here,
 * JSONP is as long polling, and the iframe as a stream.
 */

const LIMIT = 1_000_000;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const EVIL = 'https://evil.example';

const jsonp = rowOf('jsonp/4');
const htmlfile = rowOf('htmlfile/4');

type Headers = Record<string, string>;

/** Requests without a session; all must have the same answer. */
function requests(input: string, list: (target: Harness) => [query: string, headers?: Headers][], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options);
      const answers: string[] = [];
      for (const [query, headers = {}] of list(target)) {
        answers.push(told(await ask(`${target.url}?EIO=4&${query}`, { headers })));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

/** A session over JSONP, with the URL of requests that are of it, but for who asks. */
async function script(start: Start, options = {}): Promise<Victim> {
  const one = await victim(start, jsonp, options);
  return { ...one, url: `${one.url}&j=7` };
}

/** Deeds to sessions of their own; all must have the same outcome. */
function deeds(
  input: string,
  open: (start: Start) => Promise<Victim>,
  list: ((one: Victim) => Promise<string>)[],
): Case {
  return {
    input,
    async run(start): Promise<Outcome> {
      const answers: string[] = [];
      const fates: string[] = [];
      let last!: Victim;
      for (const act of list) {
        last = await open(start);
        answers.push(await act(last));
        fates.push(await last.fate());
      }
      return { target: last.target, answer: same(answers), session: same(fates) };
    },
  };
}

async function post(one: Victim, body: string | Buffer, headers: Headers = FORM): Promise<string> {
  const referer = `${new URL(one.target.url).origin}/page`;
  return told(await ask(one.url, { method: 'POST', body, headers: { referer, ...headers } }));
}

const forms = (input: string, list: (string | Buffer)[], headers?: Headers): Case =>
  deeds(
    input,
    script,
    list.map((body) => (one) => post(one, body, headers)),
  );

const CALLBACKS = [
  '',
  'alert(1)',
  '1x',
  '-1',
  '1.5',
  '1e3',
  '%201',
  '1%0A',
  '%D9%A3',
  '12345678901',
  '0](1);alert(1);//',
  '__proto__',
];

/** Who asks for a script: a page of another site, and who does not tell where he is from though he has cookies. */
const STRANGERS: Headers[] = [
  { referer: `${EVIL}/page` },
  { referer: 'about:client' },
  { referer: 'http://[' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'nonsense' },
  { origin: EVIL },
  { origin: 'null' },
  { cookie: 'session=of-a-user' },
];

export const jsonpCases: Case[] = [
  requests('A handshake whose `j` is not one to ten digits', () => CALLBACKS.map((j) => [`transport=polling&j=${j}`])),
  deeds(
    'The same in a request of a session',
    script,
    CALLBACKS.map((j) => async (one) => {
      const url = one.url.replace('j=7', `j=${j}`);
      return same([told(await ask(url)), told(await ask(url, { method: 'POST', body: 'd=4x', headers: FORM }))]);
    }),
  ),
  requests('`transport=jsonp`', () => [['transport=jsonp'], ['transport=jsonp&j=1']]),
  {
    input: 'A `j` where `jsonp` is not enabled',
    async run(start) {
      const target = await start({ transports: ['polling', 'websocket'] });
      const answer = told(await ask(`${target.url}?EIO=4&transport=polling&j=1`));
      return { target, answer, session: NO_SESSION };
    },
  },
  {
    input: 'An upgrade to `transport=polling` with a `j`',
    async run(start) {
      const target = await start();
      const answer = await exchange(target, upgradeText('/engine.io/?EIO=4&transport=polling&j=1'));
      return { target, answer, session: NO_SESSION };
    },
  },
  requests(
    'A script of a page of another site, or of one that cannot be told, by Referer, `Sec-Fetch-Site` or Origin',
    () => STRANGERS.map((headers) => ['transport=polling&j=1', headers]),
  ),
  deeds('The same with the id of a session', script, [
    async (one) => told(await ask(one.url, { headers: { referer: `${EVIL}/page` } })),
    async (one) => told(await ask(one.url, { headers: { 'sec-fetch-site': 'cross-site' } })),
    (one) => post(one, 'd=4x', { ...FORM, origin: EVIL }),
  ]),
  forms('A form whose first field is not `d`, or is empty, and a body that is no form', [
    '',
    'd',
    'd=',
    'x=4x',
    'x=1&d=4x',
    'D=4x',
    'd[]=4x',
    '%64=4x',
    '4x',
    '{"d":"4x"}',
  ]),
  forms('A field with broken percent-encoding, or of bytes that are not UTF-8', [
    'd=4%',
    'd=4%4',
    'd=4%zz',
    'd=4%FF',
    'd=4%E2%82',
    'd=4%ED%A0%80',
    Buffer.from([0x64, 0x3d, 0x34, 0xff]),
  ]),
  forms('A field with a packet type that does not exist, or a separator at the end', [
    'd=x',
    'd=7',
    'd=4a%1E',
    'd=+4x',
  ]),
  forms('A second field behind the first, or a `Content-Type` that is no form', ['d=4x&d=4y&e=%'], {
    'content-type': 'text/plain',
  }),
  forms('A JSONP POST of `application/octet-stream`', ['d=4x'], { 'content-type': 'application/octet-stream' }),
  forms('A form over `maxHttpBufferSize`, though its packets are not', [`d=${'%34'.repeat(LIMIT / 3 + 1)}`]),
  forms('A form of 1 MB of backslashes or ampersands, percent-encoded or not', [
    `d=4${'\\'.repeat(LIMIT - 3)}`,
    `d=4${'&'.repeat(LIMIT - 3)}`,
    `d=4${'%5C'.repeat(LIMIT / 3 - 2)}`,
    `d=4${'%5Cn'.repeat(LIMIT / 4 - 2)}`,
  ]),
];

const frame = (origin: string): string => `transport=htmlfile&origin=${encodeURIComponent(origin)}`;

const own = ({ url }: Pick<Harness, 'url'>): string => new URL(url).origin;

/** What no browser has as an origin, or what nobody's packets are to be posted to. */
const NO_ORIGINS = [
  '',
  '*',
  '/',
  'null',
  'app.example',
  'javascript:alert(1)',
  'data:text/html,x',
  'file://',
  'HTTPS://APP.EXAMPLE',
  'https://app.example/',
  'https://app.example/path',
  'https://user@app.example',
  'https://app.example:123456',
  'https://app.example https://evil.example',
  'https://app.example;script-src *',
  "https://app.example'-alert(1)-'",
  'https://app.example"</script>',
  'https://app.example\r\nx: y',
  'https://[::1',
];

export const htmlFileCases: Case[] = [
  requests('A document whose `origin` is missing, or is none of the web as browsers write it', (target) => [
    ['transport=htmlfile', { referer: `${own(target)}/` }],
    ...NO_ORIGINS.map((origin): [string, Headers] => [frame(origin), { referer: `${own(target)}/` }]),
  ]),
  deeds(
    'The same in a GET of a session',
    (start) => victim(start, htmlfile, {}, false),
    NO_ORIGINS.map((origin) => async (one) => {
      const url = one.url.replace(/&origin=[^&]*/, `&origin=${encodeURIComponent(origin)}`);
      return told(await ask(`${url}&resume=1&ack=0`, { headers: { referer: `${own(one.target)}/` } }));
    }),
  ),
  requests(
    'An `origin` that is another than the Referer has, or is not told by it where the page is of another site',
    (target) => [
      [frame(EVIL), { referer: `${own(target)}/` }],
      [frame(own(target)), { referer: `${EVIL}/` }],
      [frame(own(target)), { referer: 'about:client' }],
      [frame(own(target)), { 'sec-fetch-site': 'cross-site' }],
      [frame(own(target)), { 'sec-fetch-site': 'same-site' }],
    ],
  ),
  requests('A document for a page of another site that is not named', (target) => [
    [frame(EVIL), { referer: `${EVIL}/` }],
    [frame(EVIL), {}],
    [frame(EVIL), { referer: `${EVIL}/`, 'sec-fetch-site': 'cross-site' }],
    [frame(EVIL), { 'sec-fetch-site': 'same-origin' }],
    [frame(own(target)), { cookie: 'session=of-a-user' }],
  ]),
  deeds('The same with the id of a session', (start) => victim(start, htmlfile, {}, false), [
    async (one) => {
      const url = one.url.replace(/&origin=[^&]*/, `&origin=${encodeURIComponent(EVIL)}`);
      return told(await ask(`${url}&resume=1&ack=0`, { headers: { referer: `${EVIL}/` } }));
    },
  ]),
];
