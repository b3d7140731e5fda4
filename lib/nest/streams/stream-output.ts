import type { BroadcastOperator, Namespace, Socket } from 'socket.io';
import { isOutgoing, type Recipients } from '../../streams/outgoing.js';
import { SlowReaders, type SlowReadersHost } from '../../streams/slow-readers.js';
import { emitAnswer } from '../emit-answer.js';
import type { StreamSettings } from './stream-options.js';

/** What output needs of the stream it comes from. */
export interface OutputHost extends SlowReadersHost {
  /** The event that a value goes out as which names none. */
  readonly event: string;
  readonly settings: StreamSettings;
  /** The clients of the gateway. */
  readonly clients: ReadonlySet<Socket>;
  /** The namespace of the gateway, or the parent of several; null before there is one. */
  readonly namespace: Namespace | null;
}

/** Sends what the streams of one method emit, within what is set for slow readers. */
export class StreamOutput {
  private readonly slowReaders: SlowReaders | null;

  constructor(private readonly host: OutputHost) {
    const budget = host.settings.slowReaders;
    const readers: SlowReadersHost = {
      dropped: () => host.dropped(),
      warn: (text) => host.warn(text),
      send: (client, event, data) => this.sendNow(client, event, data),
    };
    this.slowReaders = budget === null ? null : new SlowReaders(budget, readers);
  }

  /**
   * Sends a value: to a client, or for null to the namespace, unless the value names others. Nothing is not sent.
   *
   * @throws what socket.io throws for an event that is reserved, or for data that cannot be encoded; TypeError for a message of
   *   the stream itself, with its client and acknowledgement.
   */
  send(client: Socket | null, value: unknown): void {
    if (value === undefined || value === null) return;
    let event = this.host.event;
    let data: unknown = value;
    if (isOutgoing(value)) {
      event = value.event ?? event;
      data = value.data;
      if (client === null || value.to !== undefined || value.except !== undefined) {
        this.broadcast(client, event, data, value);
        return;
      }
    }
    if (isIncoming(data)) {
      const advice = 'emit its data, or end the pipe with ignoreElements()';
      throw new TypeError(`a stream of "${this.host.event}" has emitted a message with its client: ${advice}`);
    }
    if (client === null) this.broadcast(null, event, data, {});
    else if (client.connected) this.sendTo(client, event, data);
  }

  private sendTo(client: Socket, event: string, data: unknown): void {
    if (this.slowReaders?.isSlow(client)) this.slowReaders.holdBack(client, event, data);
    else this.sendNow(client, event, data);
  }

  private broadcast(client: Socket | null, event: string, data: unknown, { to, except }: Recipients): void {
    const namespace = client?.nsp ?? this.host.namespace;
    // no rooms are nobody; socket.io would take them for all
    if (namespace === null || (to !== undefined && to.length === 0)) return;
    // a client's stream runs on one node only, so its rooms are those of all nodes
    let operator: BroadcastOperator<any, any> =
      client !== null || this.host.settings.cluster ? namespace.except([]) : namespace.local;
    if (to !== undefined) operator = operator.to(to as string | string[]);
    if (except !== undefined) operator = operator.except(except as string | string[]);
    if (this.slowReaders !== null) {
      const only = client?.nsp ?? null;
      const slow = this.slowReaders.holdBackFrom([...this.host.clients], only, { to, except }, event, data);
      if (slow.length > 0) operator = operator.except(slow);
    }
    operator.emit(event, data);
  }

  private sendNow(client: Socket, event: string, data: unknown): void {
    emitAnswer(client, event, data, this.host.settings.recoverable);
  }
}

/** What `reply` and `perClient` pass on, for the next operator and not for clients. */
function isIncoming(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('ack' in value) || !('client' in value)) return false;
  return typeof value.ack === 'function';
}
