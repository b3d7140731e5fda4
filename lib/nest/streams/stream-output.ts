import type { BroadcastOperator, Namespace, Socket } from 'socket.io';
import type { Session } from '../../engine/session.js';
import { isOutgoing, type Recipients } from '../../streams/outgoing.js';
import { waitingBytes } from '../../streams/writable.js';
import { emitAnswer } from '../emit-answer.js';
import type { StreamSettings } from './stream-options.js';

/** What output needs of the stream it comes from. */
export interface OutputHost {
  /** The event that a value goes out as which names none. */
  readonly event: string;
  readonly settings: StreamSettings;
  /** The clients of the gateway. */
  readonly clients: ReadonlySet<Socket>;
  /** The namespace of the gateway, or the parent of several; null before there is one. */
  readonly namespace: Namespace | null;
  /** A value was not sent, because its client does not take it. */
  dropped(): void;
  warn(text: string): void;
}

/** Sends what the streams of one method emit, within what is set for slow readers. */
export class StreamOutput {
  /** The latest value of each event, for clients that do not take it now. */
  private readonly latest = new WeakMap<Socket, Map<string, unknown>>();

  constructor(private readonly host: OutputHost) {}

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
    if (this.isSlow(client)) this.holdBack(client, event, data);
    else emitAnswer(client, event, data, this.host.settings.recoverable);
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
    if (this.host.settings.slowReaders !== null) {
      const slow = [...this.host.clients].filter(
        (one) => isAmong(one, client?.nsp ?? null, to, except) && this.isSlow(one),
      );
      for (const one of slow) this.holdBack(one, event, data);
      if (slow.length > 0) operator = operator.except(slow.map(({ id }) => id));
    }
    operator.emit(event, data);
  }

  private isSlow(client: Socket): boolean {
    const { slowReaders } = this.host.settings;
    return slowReaders !== null && (this.latest.has(client) || waitingBytes(client) > slowReaders.bytes);
  }

  private holdBack(client: Socket, event: string, data: unknown): void {
    const { bytes, policy } = this.host.settings.slowReaders!;
    if (policy === 'disconnect') {
      this.host.warn(`client ${client.id} reads too slowly: ${waitingBytes(client)} bytes wait, ${bytes} may`);
      (client.conn as unknown as Session).giveUp();
      return;
    }
    if (policy === 'drop') {
      this.host.dropped();
      return;
    }
    const held = this.latest.get(client);
    if (held === undefined) {
      this.latest.set(client, new Map([[event, data]]));
      this.sendLater(client, bytes);
      return;
    }
    if (held.has(event)) this.host.dropped();
    held.set(event, data);
  }

  private sendLater(client: Socket, bytes: number): void {
    const session = client.conn as unknown as Session;
    session.onceDrained(() => {
      if (!client.connected) return;
      if (session.waitingBytes > bytes / 2) {
        this.sendLater(client, bytes);
        return;
      }
      const held = this.latest.get(client)!;
      this.latest.delete(client);
      const { recoverable } = this.host.settings;
      for (const [event, data] of held) emitAnswer(client, event, data, recoverable);
    });
  }
}

/** What `reply` and `perClient` pass on, for the next operator and not for clients. */
function isIncoming(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('ack' in value) || !('client' in value)) return false;
  return typeof value.ack === 'function';
}

/** Whether a client is among those of a broadcast. @param namespace null for all namespaces of the gateway. */
function isAmong(client: Socket, namespace: Namespace | null, to: Recipients['to'], except: Recipients['except']) {
  if (!client.connected || (namespace !== null && client.nsp !== namespace)) return false;
  return (to === undefined || isIn(client, to)) && (except === undefined || !isIn(client, except));
}

function isIn({ rooms }: Socket, names: string | readonly string[]): boolean {
  return typeof names === 'string' ? rooms.has(names) : names.some((name) => rooms.has(name));
}
