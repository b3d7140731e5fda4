/** What an open packet says, besides the session's id. */
export interface Handshake {
  readonly sid: string;
  /** Transports to which the session may be upgraded. */
  readonly upgrades: readonly string[];
  /** Milliseconds between pings of the server. */
  readonly pingInterval: number;
  /** Milliseconds within which the other side has to answer. */
  readonly pingTimeout: number;
  /** Bytes that a POST may have. */
  readonly maxPayload: number;
}

/** By the engine.io-client Socket: a candidate of an upgrade reads no open packet, and the Socket's own copy is private. */
const handshakes = new WeakMap<object, Handshake>();

export function rememberHandshake(socket: object, handshake: Handshake): void {
  handshakes.set(socket, handshake);
}

export function handshakeOf(socket: object): Handshake | undefined {
  return handshakes.get(socket);
}
