import { onPageHide } from '../page-hide.js';
import type { EngineSocket } from './course.js';

/*
 * Who holds a connection, of all tabs with pages of one origin.
 *
 * Over HTTP/1.1 a browser opens six connections to a host, and further requests wait. A stream holds one, and so does a
 * parked poll: with six of them nothing moves any more, no POST and no page. So the tabs count themselves, and no more than
 * SEATS hold a connection; what is left is for requests that end soon.
 *
 * They talk over a BroadcastChannel, which pages without HTTPS have too. Whoever wants a seat asks; whoever has or wants one
 * answers; silence means that there is nobody. All apply the same rule to what they hear: those come first who hold a
 * connection, then those who asked first. A seat that is free again is the next one's without any more words. A page that
 * goes away says so; of one that crashed those who wait find out, since they ask again now and then.
 */

/**
 * Connections that may be held: six, less what POSTs, brief polls and page loads need. Those that a browser may have kept of
 * WebSockets which were never answered are of the six as well.
 */
const SEATS = 4;

/** Why a stream was not opened, or not kept. It says nothing about the network. */
export const NO_SEAT = 'other tabs hold the connections';

/** Milliseconds within which those who are there answer. */
const SILENCE = 100;

/**
 * Milliseconds between the questions of one who waits, and how many of them another may leave unanswered: a page that is
 * silent for longer than its heartbeat allows has lost its session, and with that its connection.
 */
const ASK_EVERY = 15_000;
const UNANSWERED = 3;

/** The part of a browser's BroadcastChannel that is used. */
export interface Channel {
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  postMessage(message: unknown): void;
  close(): void;
}

/** Opens the channel of a name; null where there is none. */
export type OpenChannel = (name: string) => Channel | null;

type Message = readonly [kind: 'ask' | 'here' | 'gone', id: string, holds: boolean];

/**
 * Another who has or wants a seat.
 *
 * @package
 */
interface Other {
  readonly rank: string;
  /** Questions in a row. */
  unanswered: number;
}

/**
 * The seat that one connection has or waits for.
 *
 * @package
 */
export class Seat {
  /** Whether there is one; undefined while that is not known. */
  holds: boolean | undefined;
  private channel: Channel | null = null;
  /** When it was asked for, by `Date.now()`, and a random number: they sort as they came. */
  private id = '';
  private readonly others = new Map<string, Other>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly onPageHide = (): void => this.tell('gone');

  constructor(
    private readonly engine: EngineSocket,
    private readonly openChannel: OpenChannel,
    /** How many connections are held by nobody, and yet are not free. */
    private readonly kept: () => number,
    /** Called when `holds` becomes another while connections are counted. */
    private readonly changed: () => void,
  ) {}

  /** Whether connections are counted here. */
  get isCounted(): boolean {
    return this.channel !== null;
  }

  /** Asks for a seat, the first time it is called. */
  claim(): void {
    if (this.id !== '') return;
    this.id = `${Date.now()} ${Math.random()}`;
    const { engine } = this;
    this.channel = this.openChannel(`nestwire:${engine.hostname}:${engine.port}`);
    this.leaveIfShared();
    if (this.channel === null) {
      this.holds = true;
      return;
    }
    this.channel.addEventListener('message', ({ data }) => this.heard(data as Message));
    onPageHide('add', this.onPageHide);
    this.tell('ask');
    this.wait(SILENCE);
  }

  /** More connections may have been kept. */
  recount(): void {
    this.tell('here');
    if (this.holds !== undefined) this.judge();
  }

  /** Gives the seat back. */
  leave(): void {
    if (this.channel === null) return;
    this.tell('gone');
    this.channel.close();
    this.channel = null;
    this.engine.clearTimeoutFn(this.timer);
    onPageHide('remove', this.onPageHide);
  }

  private wait(delay: number): void {
    this.timer = this.engine.setTimeoutFn(() => {
      this.wait(ASK_EVERY);
      if (this.holds === false) this.askAgain();
      this.judge();
    }, delay);
  }

  private askAgain(): void {
    for (const [id, other] of this.others) if (other.unanswered++ >= UNANSWERED) this.others.delete(id);
    this.tell('ask');
    this.leaveIfShared();
  }

  /** Connections are counted until it is known that requests need none of their own. */
  private leaveIfShared(): void {
    if (this.isCounted && isMultiplexed(this.engine)) this.leave();
  }

  private heard([kind, id, holds]: Message): void {
    if (kind === 'gone') this.others.delete(id);
    else this.others.set(id, { rank: rankOf(id, holds), unanswered: 0 });
    if (kind === 'ask') this.tell('here');
    if (this.holds !== undefined) this.judge();
  }

  private judge(): void {
    const rank = rankOf(this.id, this.holds);
    const ahead = [...this.others.values()].filter((other) => other.rank < rank);
    const holds = !this.isCounted || ahead.length < Math.max(1, SEATS - this.kept());
    if (this.holds === holds) return;
    this.holds = holds;
    this.tell('here');
    this.changed();
  }

  private tell(kind: Message[0]): void {
    const message: Message = [kind, this.id, this.holds === true];
    this.channel?.postMessage(message);
  }
}

/** Sorts those who hold a connection before those who do not. */
function rankOf(id: string, holds: boolean | undefined): string {
  return (holds ? 'a' : 'b') + id;
}

/** The parts of a browser's PerformanceEntry that are used. */
interface RequestEntry {
  readonly name: string;
  readonly nextHopProtocol?: string;
}

/**
 * Whether requests to the server share a connection: HTTP/2 and HTTP/3, as what was loaded from it tells. For a server of
 * another origin browsers tell only if it sends `Timing-Allow-Origin`.
 */
function isMultiplexed({ secure, hostname, port }: EngineSocket): boolean {
  const origin = `https://${hostname}${String(port) === '443' ? '' : `:${port}`}/`;
  const isShared = ({ name, nextHopProtocol = '' }: RequestEntry): boolean =>
    name.startsWith(origin) && /^h[23]/.test(nextHopProtocol);
  // no browser speaks HTTP/2 without TLS
  return secure && (globalThis.performance.getEntries() as unknown as RequestEntry[]).some(isShared);
}
