import { inertJson } from '../protocol/text.js';
import type { TransportRequest } from './transport.js';

/*
 * JSONP: long polling for pages that can embed a script of the server, and nothing else. A poll is answered with a script
 * that calls `___eio[N]` with the payload; packets go up as the field `d` of a form. It is a form of polling, asked for
 * request by request with `j=N`. Of the request nothing but these digits gets into the script.
 */

/** The parameter of the query that asks for it, and names the callback. */
export const CALLBACK_PARAMETER = 'j';

/** As many digits as a client could ever need: the number counts connections of a page. */
const CALLBACK = /^\d{1,10}$/;

/** The number of the callback, if the request asks for JSONP; the engine lets none through that is no number. */
export function callbackOf({ _query: query }: TransportRequest): string | undefined {
  return query?.[CALLBACK_PARAMETER];
}

/** Whether the callback is a number. */
export function namesCallback(request: TransportRequest): boolean {
  return CALLBACK.test(callbackOf(request) ?? '');
}

/** The script that hands a payload to a callback. The comment keeps the client from choosing the first bytes of a file. */
export function toScript(callback: string, payload: string): string {
  return `/**/___eio[${callback}](${inertJson(payload)});`;
}

/** `\n` as two characters is a line feed, with another backslash before it is itself: forms would change line feeds. */
const ESCAPED_LINE_FEED = /(\\)?\\n/g;

/**
 * The payload of a form; null when there is none, or its escapes are broken.
 *
 * @param body `application/x-www-form-urlencoded`, with `d` as the first field; others are of no account.
 */
export function fromForm(body: string): string | null {
  const [, value] = /^d=([^&]*)/.exec(body) ?? [];
  if (value === undefined) return null;
  try {
    const text = decodeURIComponent(value.replaceAll('+', ' '));
    return text.replace(ESCAPED_LINE_FEED, (_match, isEscaped?: string) => (isEscaped ? '\\n' : '\n'));
  } catch {
    // not UTF-8, or a percent sign that begins nothing
    return null;
  }
}
