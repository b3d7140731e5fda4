/**
 * The ways in which the load generator can reach a server: which client, and what messages look like on the wire. A transport of
 * ours is measured by every scenario that compares transports once its name stands in `OWN_TRANSPORTS`, at the end.
 */
import { HTMLFILE, MULTIPART, SSE } from './envelopes.js';
import { clientFrame, framesOf, serverFrame } from './frames.js';
import { NetClient, SockJsClient, SseClient } from './plain.js';
import { JSONP_POLLING, PLAIN_POLLING, PollingClient, SEPARATOR } from './polling.js';
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
const polling = (way) => ({ Client: PollingClient, wire: PAYLOAD, way });
const streaming = (name, envelope) => ({ Client: StreamingClient, wire: PAYLOAD, way: { name, envelope } });

const HTMLFILE_WIRE = { ...texts(',', JSON.stringify), outgoing: PAYLOAD.outgoing };
const HTMLFILE_WAY = {
  name: 'htmlfile',
  envelope: HTMLFILE,
  query: (port) => `&origin=http://127.0.0.1:${port}`,
  isJson: true,
};

export const TRANSPORTS = {
  websocket: websocket('websocket'),
  flashsocket: websocket('flashsocket'),
  eventsource: streaming('eventsource', SSE),
  multipart: streaming('multipart', MULTIPART),
  htmlfile: { Client: StreamingClient, wire: HTMLFILE_WIRE, way: HTMLFILE_WAY },
  polling: polling(PLAIN_POLLING),
  jsonp: polling(JSONP_POLLING),

  // a WebSocket that was polling before: what stock clients do
  upgraded: { Client: WebSocketClient, wire: FRAMES, way: { name: 'websocket', isUpgraded: true } },

  // other libraries' and none
  'xhr-streaming': { Client: SockJsClient, wire: texts(',', JSON.stringify) },
  sse: { Client: SseClient, wire: texts('\n') },
  net: { Client: NetClient, wire: { ...texts('\n'), separator: 0 } },
};

/** Transports of ours that `broadcast`, `push`, `upstream`, `connect` and `transports` measure; WebSocket is the first. */
export const OWN_TRANSPORTS = [
  'websocket', //
  'eventsource',
  'multipart',
  'polling',
  'htmlfile',
  'jsonp',
  'flashsocket',
];
