import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

/*
 * Whether the way to another node is open. A node that renews its lease may still not be reached from here, and a network
 * that swallows everything tells nobody: a poll waits for half a minute as a matter of course, so that its silence says
 * nothing. So while anything is open towards a node it is asked something that it answers at once.
 */

/** What a relay port answers to anybody, at once and without a body: `OPTIONS *` (RFC 9110, section 9.3.7). */
export const PROBE = { method: 'OPTIONS', path: '*' } as const;

/** Milliseconds between two questions, and for the answer: a node that is silent for longer loses its lease as well. */
const PROBE_EVERY = 2_000;
const PROBE_TIME = 5_000;

/** Whether a request to a relay port is such a question. */
export function isProbe({ method, url }: IncomingMessage): boolean {
  return method === PROBE.method && url === PROBE.path;
}

/** Where a node's relay port is. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Where the address of a node's record points to. */
export function endpointOf(address: string): Endpoint {
  const { hostname, port } = new URL(`http://${address}`);
  // URL keeps the brackets of an IPv6 address
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) };
}

/**
 * Asks a node once; gives the headers of its answer.
 *
 * @param time milliseconds for the answer.
 * @throws Error when there is none.
 */
export function askNode(
  to: Endpoint,
  time: number,
  headers: Record<string, string> = {},
): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, ...PROBE, headers, agent: false, signal: AbortSignal.timeout(time) });
    asked.on('response', (answer) => {
      answer.resume();
      // it may be cut behind its head, which was all
      answer.on('error', ignore);
      resolve(answer.headers);
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Asks a node again and again, as long as somebody wants to know. */
export class Probe {
  /** Whether it answered last time. */
  isAnswered = true;
  private timer: NodeJS.Timeout | null = null;
  private isAsking = false;

  constructor(
    private readonly to: Endpoint,
    private readonly watcher: {
      /** Whether anything is open. A node that does not answer is asked in any case. */
      isNeeded(): boolean;
      /** It does not answer. */
      lost(): void;
      /** It answers again. */
      found(): void;
    },
  ) {}

  /** Something is open from now on. */
  begin(): void {
    this.timer ??= setInterval(() => this.tick(), PROBE_EVERY).unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private tick(): void {
    if (this.isAsking) return;
    if (this.isAnswered && !this.watcher.isNeeded()) {
      this.stop();
      return;
    }
    this.isAsking = true;
    void askNode(this.to, PROBE_TIME).then(
      () => this.answered(true),
      () => this.answered(false),
    );
  }

  private answered(isAnswered: boolean): void {
    if (!this.isAsking) return;
    this.isAsking = false;
    // the node is gone, or this one has closed
    if (this.timer === null || isAnswered === this.isAnswered) return;
    this.isAnswered = isAnswered;
    if (isAnswered) this.watcher.found();
    else this.watcher.lost();
  }
}

function ignore(): void {
  // the answer has come
}
