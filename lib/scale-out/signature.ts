import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RelayedFacts } from '../engine/relay.js';
import { keyFor } from './session-ids.js';

/*
 * What makes a forwarded request one: a header that a node of the same secret has signed,
 *
 *     nestwire-relay: <from> <count> <origin> <server> <address> <mac>
 *
 * and that covers who sent it, to whom, as the how-manieth, and method, target and all headers of the request. `to` is the
 * owner's id and not in the header: it is new at every start, so that nothing that was signed once is good for another
 * process. `count` grows with each request of a sender; the owner takes each number once. Clients never see such a header:
 * it is on the wire between nodes only, and is taken out of what comes from clients.
 *
 * The body is not covered, as it is forwarded while it comes.
 */

/** Name of the header. */
export const RELAY_HEADER = 'nestwire-relay';

/** What a signed request says beside what the client sent. */
export interface Forwarding extends RelayedFacts {
  /** The node that forwards. */
  readonly from: string;
  /** Which of the owner's servers it is for. */
  readonly server: string;
}

/** Headers that belong to one connection (RFC 9110, section 7.6.1), and those of this file: they are not forwarded. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  RELAY_HEADER,
]);

/** The headers of a message without those of its connection, as Node gives and takes them: names and values by turns. */
export function endToEnd(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!HOP_BY_HOP.has(rawHeaders[i]!.toLowerCase())) kept.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return kept;
}

/** What is signed of a request. */
export interface Signable {
  readonly method: string;
  readonly url: string;
  /** As {@link endToEnd} gives them. */
  readonly headers: readonly string[];
}

/** Signs requests of one node to others, and checks those of others to it. */
export class Signatures {
  private readonly key: Buffer;
  private count = 0;
  private readonly senders = new Map<string, CountWindow>();

  constructor(
    private readonly nodeId: string,
    secret: string,
  ) {
    this.key = keyFor(secret, 'relay');
  }

  /** The value of the header for one request to another node. */
  sign(to: string, request: Signable, server: string, facts: RelayedFacts): string {
    const said = [
      this.nodeId,
      ++this.count,
      facts.isOriginAllowed ? 'allowed' : 'unproven',
      encodeURIComponent(server),
      encodeURIComponent(facts.address),
    ].join(' ');
    return `${said} ${this.mac(to, said, request)}`;
  }

  /** What a request to this node says; undefined when no node has signed it, or when it came before. */
  verify(message: IncomingMessage): Forwarding | undefined {
    const header = message.headers[RELAY_HEADER];
    if (typeof header !== 'string') return undefined;
    const end = header.lastIndexOf(' ');
    const said = header.slice(0, Math.max(end, 0));
    const { method = '', url = '' } = message;
    const right = Buffer.from(this.mac(this.nodeId, said, { method, url, headers: endToEnd(message.rawHeaders) }));
    const given = Buffer.from(header.slice(end + 1));
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const [from = '', count, origin, server = '', address = ''] = said.split(' ');
    if (!this.windowOf(from).take(Number(count))) return undefined;
    return {
      from,
      server: decodeURIComponent(server),
      address: decodeURIComponent(address),
      isOriginAllowed: origin === 'allowed',
    };
  }

  /** A node is not there any more. A number is kept of it, lest somebody sends again what it sent. */
  retire(nodeId: string): void {
    this.senders.get(nodeId)?.compact();
  }

  private windowOf(from: string): CountWindow {
    let window = this.senders.get(from);
    if (window === undefined) {
      window = new CountWindow();
      this.senders.set(from, window);
    }
    return window;
  }

  private mac(to: string, said: string, { method, url, headers }: Signable): string {
    // no part can hold the separator: Node refuses line breaks in all of them
    const text = `${to}\n${said}\n${method} ${url}\n${headers.join('\n')}`;
    return createHmac('sha256', this.key).update(text, 'latin1').digest('base64url');
  }
}

/** How far requests of one sender may overtake each other: they come over many connections. */
const WINDOW = 4096;

/** Takes each number once, in about the order in which they grow, and remembers no more than the last few thousand. */
export class CountWindow {
  private highest = 0;
  /** Numbers up to this one count as seen. */
  private floor = 0;
  private readonly seen = new Set<number>();

  /** @returns whether the number is new. */
  take(count: number): boolean {
    if (!Number.isSafeInteger(count) || count <= this.floor || this.seen.has(count)) return false;
    this.seen.add(count);
    this.highest = Math.max(this.highest, count);
    this.raiseFloor(this.highest - WINDOW);
    return true;
  }

  /** Forgets the numbers themselves: only greater ones are new. */
  compact(): void {
    this.raiseFloor(this.highest);
  }

  private raiseFloor(floor: number): void {
    if (floor <= this.floor) return;
    if (floor - this.floor === 1) this.seen.delete(floor);
    else for (const count of this.seen) if (count <= floor) this.seen.delete(count);
    this.floor = floor;
  }
}
