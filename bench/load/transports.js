/**
 * The ways in which the load generator can reach a server: which client, and what messages look like on the wire.
 *
 * A transport of ours is one line in `TRANSPORTS`; the scenarios that measure each of them take it from `OWN_TRANSPORTS`.
 */
import { MULTIPART, SSE } from './envelopes.js';
import { clientFrame, framesOf, serverFrame } from './frames.js';
import { NetClient, SockJsClient, SseClient } from './plain.js';
import { PLAIN_POLLING, PollingClient, SEPARATOR } from './polling.js';
import { StreamingClient } from './streaming.js';
import { WebSocketClient } from './websocket.js';

/** Frames of RFC 6455. */
const FRAMES = {
  outgoing: (message) => framesOf(clientFrame, message),
  incoming: (message) => framesOf(serverFrame, message),
  separator: 0,
};

/** Texts with something of one byte between them. */
function texts(separator, encode = (message) => message) {
  const bytes = (message) => Buffer.from(encode(message) + separator);
  return { outgoing: bytes, incoming: bytes, separator: 1 };
}

const PAYLOAD = texts(SEPARATOR);

const websocket = (name) => ({ Client: WebSocketClient, wire: FRAMES, way: { name } });
const polling = (way) => ({ Client: PollingClient, wire: PAYLOAD, way: { ...PLAIN_POLLING, ...way } });
const streaming = (name, envelope) => ({ Client: StreamingClient, wire: PAYLOAD, way: { name, envelope } });

export const TRANSPORTS = {
  // ours; `jsonp` will be a `polling` with a path, an `unwrap` and a `wrap` of its own
  websocket: websocket('websocket'),
  eventsource: streaming('eventsource', SSE),
  multipart: streaming('multipart', MULTIPART),
  polling: polling({}),

  // a WebSocket that was polling before: what stock clients do
  upgraded: { Client: WebSocketClient, wire: FRAMES, way: { name: 'websocket', isUpgraded: true } },

  // other libraries' and none
  'xhr-streaming': { Client: SockJsClient, wire: texts(',', JSON.stringify) },
  sse: { Client: SseClient, wire: { ...texts('\n'), separator: 1 } },
  net: { Client: NetClient, wire: { ...texts('\n'), separator: 0 } },
};

/** Transports of ours that are measured, WebSocket first, and what the server has to be told for it. */
export const OWN_TRANSPORTS = ['websocket', 'eventsource', 'multipart', 'polling'];
