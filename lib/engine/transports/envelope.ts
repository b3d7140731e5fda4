import type { OutgoingHttpHeaders } from 'node:http';
import type { Packet } from '../protocol/packet.js';
import type { TransportRequest } from './transport.js';

/** How a response begins. */
export interface Opening {
  /** `Content-Type` among them. */
  readonly headers: OutgoingHttpHeaders;
  /** The first bytes; they reach the client at once, so that it sees that nothing buffers. */
  readonly prelude: string;
}

/**
 * What one streaming transport puts around packets: the only thing in which streaming transports differ.
 *
 * A **frame** is what the client counts: the n-th frame of a session is the same for both sides, so frames carry no
 * number of their own and the bytes of a broadcast are the same for every session. A frame never spans two responses.
 */
export interface Envelope {
  /** The beginning of the response to a request. Frames know nothing of the request. */
  open(request: TransportRequest): Opening;
  /**
   * Says which number the next frame of this response has, for a client that asked for resume; the first frame of a
   * session is number 1.
   */
  position(next: number): string;
  /** Packets to frames, in order. */
  frames(packets: readonly Packet[], supportsBinary: boolean): Buffer[];
  /** The in-band mark of a planned end: what ends without it was cut. */
  readonly end: string;
}
