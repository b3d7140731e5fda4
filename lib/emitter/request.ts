import { Observable } from 'rxjs';
import type { Namespace } from 'socket.io';
import type { EmitterTarget } from './emitter-target.js';

/** Milliseconds that clients may take to answer, unless it is said otherwise. */
export const DEFAULT_REQUEST_TIMEOUT = 5000;

/** Milliseconds that a timer of Node can wait. */
const MAX_TIMEOUT = 2_147_483_647;

/** How a request is made. */
export interface RequestOptions {
  /** Milliseconds that clients have for their answers, all at the same time. Default 5000. */
  readonly timeout?: number;
}

/** Not everybody who was asked has answered. The answers that came have been emitted before. */
export class IncompleteAnswersError extends Error {
  override readonly name = 'IncompleteAnswersError';

  constructor(
    readonly event: string,
    /** Clients that have answered. */
    readonly answered: number,
    /** Clients that were asked, as far as it is known: see {@link silentNodes}. */
    readonly asked: number,
    /** Nodes of the cluster that have not said how many clients they asked. */
    readonly silentNodes: number,
    /** `timeout`: the time was over. `closed`: the server was closed meanwhile. */
    readonly reason: 'timeout' | 'closed',
    timeout: number,
  ) {
    const when = reason === 'timeout' ? `within ${timeout} ms` : 'before the server was closed';
    const nodes = silentNodes === 0 ? '' : `; ${silentNodes} other nodes have not said how many they asked`;
    super(`${answered} of ${asked} clients have answered "${event}" ${when}${nodes}`);
  }
}

/** To whom a request goes, as adapters take it. */
export interface Audience {
  readonly rooms: Set<string>;
  readonly except: Set<string>;
  readonly flags: { readonly local?: true; readonly volatile?: true };
}

/** Type of an event packet (https://github.com/socketio/socket.io-protocol#packet-types). */
const EVENT = 2;

/** What the typings of socket.io hold back: the acknowledgements that a client owes. */
interface Debtor {
  readonly acks: Map<number, unknown>;
}

/** @throws RangeError for a time that no timer can wait. */
export function checkTimeout(timeout: number): void {
  if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= MAX_TIMEOUT))
    throw new RangeError(`timeout must be more than 0 and at most ${MAX_TIMEOUT} ms`);
}

/**
 * Sends an event to many and emits their answers as they come.
 *
 * socket.io's own `emit` with a callback gives them together at the end (https://github.com/socketio/socket.io/issues/5136). What
 * is below it is public, and every adapter has it: `broadcastWithAck` tells of each node how many clients it has asked, and of each
 * client its answer; `serverCount` how many nodes there are.
 */
export function request<A>(
  target: EmitterTarget,
  namespace: Namespace,
  audience: Audience,
  event: string,
  data: readonly unknown[],
  timeout: number,
): Observable<A> {
  return new Observable<A>((subscriber) => {
    const { adapter } = namespace;
    const packet: { type: number; data: unknown[]; id?: number } = { type: EVENT, data: [event, ...data] };
    let nodes = -1;
    let counted = 0;
    let asked = 0;
    let answered = 0;
    const settle = (): void => {
      if (counted === nodes && answered === asked) subscriber.complete();
    };
    const fail = (reason: 'timeout' | 'closed'): void => {
      if (subscriber.closed) return;
      const silent = Math.max(0, nodes - counted);
      subscriber.error(new IncompleteAnswersError(event, answered, asked, silent, reason, timeout));
    };
    const timer = setTimeout(() => fail('timeout'), timeout);
    subscriber.add(() => {
      clearTimeout(timer);
      // what socket.io does at the time-out of its own; on other nodes it waits until the client has gone
      if (packet.id !== undefined && answered < asked) forget(namespace, packet.id);
    });
    subscriber.add(target.whileOpen(() => () => fail('closed')));
    adapter.broadcastWithAck(
      packet,
      { ...audience, flags: { ...audience.flags, timeout } },
      (clients) => {
        asked += clients;
        counted++;
        settle();
      },
      (answer: A) => {
        answered++;
        subscriber.next(answer);
        settle();
      },
    );
    const setNodes = (count: number): void => {
      nodes = count;
      settle();
    };
    // with `local` other nodes are not asked, though the adapter counts them
    if (audience.flags.local) setNodes(1);
    else adapter.serverCount().then(setNodes, (error: unknown) => subscriber.error(error));
  });
}

function forget(namespace: Namespace, id: number): void {
  for (const socket of namespace.sockets.values()) (socket as unknown as Debtor).acks.delete(id);
}
