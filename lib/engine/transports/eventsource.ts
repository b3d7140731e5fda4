import { encodeLine } from '../protocol/text.js';
import type { Packet } from '../protocol/packet.js';
import type { Envelope } from './envelope.js';

/*
 * Server-sent events. A frame is one event of one `data:` line: a payload as it is, or `event: j` and a JSON array of
 * packets where a payload would lose something on a line. `event: seq` tells the number of the next frame, `event: end`
 * is the planned end; both count as no frame. Binary data is base64.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export const eventSourceEnvelope: Envelope = {
  // a comment: Firefox fires `open` only after the first byte
  open: () => ({ headers: { 'Content-Type': 'text/event-stream; charset=UTF-8' }, prelude: ':\n\n' }),

  position: (next) => `event: seq\ndata: ${next}\n\n`,

  frames(packets: readonly Packet[]): Buffer[] {
    const { text, isJson } = encodeLine(packets);
    return [Buffer.from(`${isJson ? 'event: j\n' : ''}data: ${text}\n\n`)];
  },

  end: 'event: end\ndata:\n\n',
};
