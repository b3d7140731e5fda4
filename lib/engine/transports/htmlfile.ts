import { randomBytes } from 'node:crypto';
import { codecFor } from '../protocol/codec.js';
import type { Packet } from '../protocol/packet.js';
import { inertJson } from '../protocol/text.js';
import type { Envelope } from './envelope.js';
import type { TransportRequest } from './transport.js';

/*
 * The forever iframe: a document that never ends. Its one script, in the prelude, watches the document grow, posts what it
 * finds to the page that holds the frame, and takes it out again. A frame is one empty element, `<wbr data-f='["4hello"]'>`,
 * whose attribute is a JSON array of packets: an element comes whole or not at all, wherever a chunk ends, and what a
 * message says is never a script, whoever wrote it. `data-n` tells the number of the next frame, `data-e` is the planned
 * end; both count as no frame. Binary data is base64.
 *
 * The page's origin is in the query. The engine has checked it before this is asked: what is posted goes there, and
 * nowhere else, and only there may the document be shown.
 */

/** An origin of the web as browsers write it: no path, no user, no capitals. `null` is nobody's address. */
const ORIGIN = /^https?:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::\d{1,5})?$/;

/** Bytes before which some parsers, proxies and virus scanners show nothing. */
const PRELUDE_LENGTH = 1024;

const codec = codecFor(4);

/** The origin that a request wants packets to be posted to. */
function pageOf({ _query: query }: TransportRequest): string {
  return query?.['origin'] ?? '';
}

/** Whether a request for a document says whose page it is for. */
export function namesPage(request: TransportRequest): boolean {
  return request.method !== 'GET' || ORIGIN.test(pageOf(request));
}

export const htmlFileEnvelope: Envelope = {
  open(request) {
    const page = pageOf(request);
    const nonce = randomBytes(16).toString('base64');
    return {
      headers: {
        'Content-Type': 'text/html; charset=UTF-8',
        'Content-Security-Policy':
          `default-src 'none'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; ` +
          `frame-ancestors ${page}`,
        'Cross-Origin-Resource-Policy': 'cross-origin',
      },
      prelude: documentFor(page, nonce),
    };
  },

  position: (next) => `<wbr data-n='${next}'>`,

  frames(packets: readonly Packet[]): Buffer[] {
    const texts = packets.map((packet) => codec.encodePacket(packet, false) as string);
    return [Buffer.from(`<wbr data-f='${inertJson(texts)}'>`)];
  },

  end: "<wbr data-e=''>",
};

/**
 * Watches the body, and says `x` last. A text that came between would be taken out as well. Posts of one window arrive in
 * order, while the frame's `load` event may overtake them in the page. Firefox tells a document that was cut from none by
 * this event alone; Chromium does not tell it at all, and the page finds out by the heartbeat.
 */
const WATCH =
  'function w(a){var m=[];a.forEach(function(r){r.addedNodes.forEach(function(n){' +
  'for(var k in n.dataset||{})m.push([k,n.dataset[k]]);n.remove()})});if(m.length)p(m)}' +
  'var o=new MutationObserver(w);o.observe(document.body,{childList:true});' +
  // what came with the last bytes may not have been told yet
  "addEventListener('DOMContentLoaded',function(){w(o.takeRecords());p([['x','']])});document.currentScript.remove()";

function documentFor(page: string, nonce: string): string {
  const post = `function p(m){parent.postMessage(m,${inertJson(page)})}`;
  const head = '<!doctype html><html><head><meta charset="utf-8"><title>Nestwire</title></head><body>';
  const text = `${head}<script nonce="${nonce}">(function(){${post}${WATCH}})()</script>`;
  return `<!--${' '.repeat(Math.max(0, PRELUDE_LENGTH - text.length))}-->${text}`;
}
