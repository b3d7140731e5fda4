import type { EventsMap, Socket } from 'nestwire';
import type { INKS, LIMITS, REACTIONS, TOOLS } from './limits.js';

export type Tool = (typeof TOOLS)[number];
export type Ink = (typeof INKS)[number];
export type Reaction = (typeof REACTIONS)[number];

/** How often everybody together has reacted with what. */
export type Tally = Record<Reaction, number>;

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

export type Identity = Pick<Member, 'owner' | 'name' | 'colour'>;

/** What a socket carries in `data`: the connection guard puts it there, before anything else sees the client. */
export interface ClientData {
  member: Identity;
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

/** What is new of a stroke: the points from the one with this number on. */
export type StrokeNews = Stroke & { from: number };

export interface Cursor {
  /** Id of the connection. */
  id: string;
  x: number;
  y: number;
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

/** What the board tells its clients, by event. */
export interface BoardEvents {
  /** To a newcomer: everything. */
  welcome(board: {
    you: Identity & { id: string };
    limits: typeof LIMITS;
    members: Member[];
    strokes: Stroke[];
    chat: ChatLine[];
    tally: Tally;
  }): void;
  presence(change: { changed: Member[]; gone: string[] }): void;
  strokes(news: StrokeNews[]): void;
  removed(strokes: { keys: string[] }): void;
  cleared(by: { id: string; name: string }): void;
  cursors(cursors: Cursor[]): void;
  chat(line: ChatLine): void;
  tally(tally: Tally): void;
  /** Asks a page whether it is being looked at. */
  attention(answer: (isLooking: boolean) => void): void;
}

export type Client = Socket<EventsMap, BoardEvents, EventsMap, ClientData>;
