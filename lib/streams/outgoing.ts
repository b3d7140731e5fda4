import type { EventsMap } from './events-map.js';

/** Whom a message goes to, instead of the client (client scope) or the whole namespace (gateway scope). */
export interface Recipients {
  /** Rooms; the id of a client is a room of its own. An empty list: nobody. */
  readonly to?: string | readonly string[];
  /** Rooms whose members do not get it. */
  readonly except?: string | readonly string[];
}

/** The event and its data, as Nest's `WsResponse` has them; for an event map, only pairs that are in it. */
type Message<Events extends EventsMap> = {
  [E in keyof Events & string]: { readonly event: E; readonly data: Parameters<Events[E]>[0] };
}[keyof Events & string];

/**
 * What the Observable of a stream method may emit to say more than its data: which event it goes out as, and to whom. Told
 * from plain data by its `event`, as a `WsResponse` is; what has none is data, and goes out as the event of the stream.
 */
export type Outgoing<Events extends EventsMap = any> = Message<Events> & Recipients;

/** On what {@link addressed} made. */
const ADDRESSED = Symbol('nestwire.addressed');

/** Data for somebody else than usual, as the event of the stream. */
export interface Addressed<T = unknown> extends Recipients {
  readonly data: T;
  readonly event?: string;
  readonly [ADDRESSED]: true;
}

/** What a stream emits, with recipients: an `Outgoing` stays one, anything else becomes data. */
export type WithRecipients<T> = T extends Recipients & { readonly event: string; readonly data: unknown }
  ? Omit<T, 'to'> & Addressed<T['data']>
  : T extends Addressed
    ? T
    : Addressed<T>;

/** On what a client has sent: it must not choose an event, or rooms, where a stream emits it as it came. */
const RECEIVED = Symbol('nestwire.received');

/** Marks what a client has sent, where it could be taken for an {@link Outgoing}. @returns what is to go into the stream. */
export function received<T>(value: T): T {
  if (!namesEvent(value)) return value;
  const marked = Object.isExtensible(value) ? value : Object.assign(Object.create(Object.getPrototypeOf(value)), value);
  return Object.defineProperty(marked, RECEIVED, { value: true });
}

/** Whether a value says of itself who is to get it, or as which event. */
export function isOutgoing(value: unknown): value is Recipients & { readonly event?: string; readonly data: unknown } {
  if (namesEvent(value)) return !(RECEIVED in value);
  return typeof value === 'object' && value !== null && ADDRESSED in value;
}

function namesEvent(value: unknown): value is { readonly event: string } & object {
  return typeof value === 'object' && value !== null && typeof (value as { event?: unknown }).event === 'string';
}

/** Gives what a stream emits other recipients; what it names besides (its event, rooms to leave out) is kept. */
export function addressed<T>(value: T, to: string | readonly string[]): WithRecipients<T> {
  const outgoing: Addressed = isOutgoing(value)
    ? { ...value, to, [ADDRESSED]: true }
    : { data: value, to, [ADDRESSED]: true };
  return outgoing as WithRecipients<T>;
}
