/** Rows that several scenarios have. */
import { OWN_TRANSPORTS, TRANSPORTS } from '../load/transports.js';

export const SOCKET_IO = { id: 'platform-socket.io', peer: 'platform-socket.io' };
export const PLATFORM_WS = { id: 'platform-ws', peer: 'platform-ws' };
export const BARE_WS = { id: 'ws', peer: 'ws' };
export const NESTWIRE = { id: 'nestwire', peer: 'nestwire' };
export const SOCKET_IO_POLLING = { ...SOCKET_IO, id: 'platform-socket.io/polling', transport: 'polling' };

/** What Nest users choose from, and the library below platform-ws. */
export const WEBSOCKET_PEERS = [SOCKET_IO, PLATFORM_WS, BARE_WS, NESTWIRE];

/** Ours over one transport, with all of them switched on. */
export function ours(transport) {
  const id = transport === 'websocket' ? 'nestwire' : `nestwire/${transport}`;
  return { id, peer: 'nestwire', transport, nestwire: { transports: OWN_TRANSPORTS } };
}

/** A row for each of our transports. */
export const OWN_ROWS = OWN_TRANSPORTS.map(ours);

/** The same without WebSocket. */
export const OWN_FALLBACKS = OWN_ROWS.filter(
  ({ transport }) => TRANSPORTS[transport].Client !== TRANSPORTS.websocket.Client,
);

/** SockJS over the transport that it is at its best with where there is no WebSocket. */
export const SOCKJS = { id: 'sockjs/xhr-streaming', peer: 'sockjs', transport: 'xhr-streaming' };

/** Writes events into responses, and nothing else: the floor of all streams. */
export const BARE_SSE = { id: 'sse', peer: 'sse', transport: 'sse' };

/**
 * What is worth comparing where rows have different transports: ours over WebSocket with the others over it, ours without it with
 * the others that have none.
 */
export const FAIR_PAIRS = [
  ...[SOCKET_IO, PLATFORM_WS, BARE_WS].map(({ id }) => [NESTWIRE.id, id]),
  ['nestwire/upgraded', 'platform-socket.io/upgraded'],
  ...OWN_FALLBACKS.flatMap((row) => [SOCKET_IO_POLLING, SOCKJS, BARE_SSE].map(({ id }) => [row.id, id])),
  [BARE_SSE.id, SOCKET_IO_POLLING.id],
];
