import type { Answer } from './wire-http.js';

/** In which form polls are answered and packets are posted. */
export interface PollForm {
  readonly name: string;
  /** What asks for it in the query, and ends with `&` unless it is empty. */
  readonly query: string;
  /** Headers by which a browser tells whose page it is, for a server of this URL; a page has an `Origin` in POSTs only. */
  headers(url: string): Record<string, string>;
  /** The body of a POST with a payload. */
  request(payload: string | Buffer): { body: string | Buffer; type: string };
  /** The payload of an answer, and its type. */
  payload(answer: Answer): { body: Buffer; type: string };
}

/** AJAX polling. */
export const PLAIN: PollForm = {
  name: 'polling',
  query: '',
  headers: () => ({}),
  request: (body) => ({
    body,
    type: typeof body === 'string' ? 'text/plain;charset=UTF-8' : 'application/octet-stream',
  }),
  payload: ({ body, headers }) => ({ body, type: headers['content-type'] ?? '' }),
};

/** The script of an answer; stock engine.io has no comment before it. */
const SCRIPT_CALL = /^(?:\/\*\*\/)?___eio\[7\]\((".*")\);$/;

/** JSONP, as engine.io-client 3 has it: a script comes down, a form goes up. */
export const SCRIPT: PollForm = {
  name: 'jsonp',
  query: 'j=7&',
  headers: (url) => ({ referer: `${new URL(url).origin}/page` }),
  request: (payload) => {
    // a line feed becomes \n, and \n becomes \\n
    const escaped = String(payload).replace(/\\n/g, '\\\\n').replace(/\n/g, '\\n');
    return { body: `d=${encodeURIComponent(escaped)}`, type: 'application/x-www-form-urlencoded' };
  },
  payload: ({ text }) => {
    const [, literal] = SCRIPT_CALL.exec(text) ?? [];
    if (literal === undefined) throw new Error(`no call of the callback: ${text.slice(0, 80)}`);
    return { body: Buffer.from(JSON.parse(literal)), type: 'text/plain' };
  },
};
