import type { INKS, TOOLS } from './limits.js';

export type Tool = (typeof TOOLS)[number];
export type Ink = (typeof INKS)[number];

/** One joined client, as everybody sees it. */
export interface Member {
  /** Id of the connection. */
  id: string;
  /** Who it is: the same after a reconnect, and what strokes belong to. */
  owner: string;
  name: string;
  colour: number;
  /** The transport its packets take now. */
  transport: string;
  /** Round-trip time in milliseconds as the client measured it; null before the first measurement. */
  rtt: number | null;
}

/** What a socket carries in `data`; plain values, so that connection state recovery can restore them. */
export interface MemberData {
  member?: Pick<Member, 'owner' | 'name' | 'colour'>;
}

export interface Stroke {
  /** `<owner>/<id chosen by the page>`. */
  key: string;
  /** Place in the drawing order, the same for everybody. */
  seq: number;
  tool: Tool;
  ink: Ink;
  width: number;
  /** x0, y0, x1, y1, … */
  points: number[];
  /** True once the pen was lifted. */
  done: boolean;
}

export interface ChatLine {
  id: number;
  kind: 'chat' | 'announcement';
  name: string;
  colour: number;
  text: string;
  /** Milliseconds since the epoch. */
  at: number;
}
