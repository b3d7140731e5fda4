import type { Tally } from './tally.js';

/** What every server under test offers to the benchmark, whatever library is inside. */
export interface Peer {
  /** Port on 127.0.0.1. */
  port: number;
  /** Sends the event `news` with this payload to every connected client. */
  broadcast(payload: News): void;
  /** Number of connected clients as the library itself counts them. */
  clients(): number;
  /** What came in that nothing answers. */
  tally?: Tally;
  /** Requests and upgrades that were handed over to other nodes so far, where there is such a thing. */
  forwarded?(): number;
  close(): Promise<void>;
}

/** A broadcast payload; `seq` lets the load generator check order and completeness. */
export interface News {
  seq: number;
  text: string;
}

/** Host all servers listen on: benchmark traffic stays on the loopback interface. */
export const HOST = '127.0.0.1';
