/** Rows that several scenarios have. */
import { OWN_TRANSPORTS } from '../load/transports.js';

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
  ({ transport }) => transport !== 'websocket' && transport !== 'flashsocket',
);
