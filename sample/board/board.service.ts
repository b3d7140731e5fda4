import { createHash } from 'node:crypto';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { Emitter, InjectEmitter, type Incoming } from 'nestwire';
import type {
  BoardEvents,
  ChatLine,
  Client,
  Cursor,
  Identity,
  Member,
  Stroke,
  StrokeNews,
  Tally,
} from './board.types.js';
import type { CursorDto } from './dto/cursor.dto.js';
import type { DrawDto } from './dto/draw.dto.js';
import type { SignInDto } from './dto/sign-in.dto.js';
import { LIMITS, PERSON_COLOURS, REACTIONS } from './limits.js';

/** Changes of the presence list are gathered for this long, in milliseconds. */
const PRESENCE_DELAY = 150;

/** The board's state, and the only place that tells clients about it. */
@Injectable()
export class BoardService implements OnModuleDestroy {
  private readonly members = new Map<string, Member>();
  private readonly strokes = new Map<string, Stroke>();
  /** How many points of a stroke the others have been told of. */
  private readonly told = new WeakMap<Stroke, number>();
  private readonly chatLines: ChatLine[] = [];
  /** Replaced by another one whenever somebody reacts. */
  tally = Object.fromEntries(REACTIONS.map((reaction) => [reaction, 0])) as Tally;
  private points = 0;
  private lastSeq = 0;
  private lastChatId = 0;

  private readonly changed = new Set<string>();
  private readonly gone = new Set<string>();
  private presenceTimer: NodeJS.Timeout | undefined;

  constructor(@InjectEmitter('board') private readonly clients: Emitter<BoardEvents>) {}

  onModuleDestroy(): void {
    clearTimeout(this.presenceTimer);
  }

  /** Figures for the status routes. */
  get summary() {
    return {
      members: [...this.members.values()].map(({ name, transport, rtt }) => ({ name, transport, rtt })),
      strokes: this.strokes.size,
      points: this.points,
      chatLines: this.chatLines.length,
    };
  }

  // ---- people

  /** @throws WsException that says why somebody cannot be let in */
  identify({ name, key, colour }: SignInDto): Identity {
    const owner = createHash('sha256').update(key).digest('base64url').slice(0, 16);
    this.assertRoom({ owner, name });
    return { owner, name, colour: colour ?? this.rarestColour() };
  }

  join(client: Client): void {
    const identity = client.data.member;
    this.assertRoom(identity); // two may have asked for the same name at the same time
    this.members.set(client.id, { id: client.id, ...identity, transport: client.conn.transport.name, rtt: null });
    this.announcePresence(client.id, true);
    if (client.recovered) return; // it gets what it has missed
    client.emit('welcome', {
      you: { id: client.id, ...identity },
      limits: LIMITS,
      members: [...this.members.values()],
      // Copies, since connection state recovery keeps the packet for a while.
      strokes: [...this.strokes.values()].map((stroke) => ({ ...stroke, points: stroke.points.slice() })),
      chat: this.chatLines.slice(),
      tally: this.tally,
    });
  }

  leave(client: Client): void {
    const member = this.members.get(client.id);
    if (!member) return;
    this.members.delete(client.id);
    this.announcePresence(client.id, false);
    // The same person in another tab may still be drawing.
    if ([...this.members.values()].some(({ owner }) => owner === member.owner)) return;
    for (const stroke of this.strokes.values()) {
      if (!stroke.done && stroke.key.startsWith(`${member.owner}/`)) this.end(stroke);
    }
  }

  transportChanged(client: Client): void {
    this.update(client, {});
  }

  /** Answered at once: the client takes the time. */
  pulse(client: Client, rtt: number | undefined) {
    this.update(client, rtt === undefined ? {} : { rtt: Math.round(rtt * 10) / 10 });
    return { ok: true };
  }

  private assertRoom({ owner, name }: Pick<Identity, 'owner' | 'name'>): void {
    if (this.members.size >= LIMITS.members) {
      throw new WsException({ code: 'BOARD_FULL', message: 'The board is full: please come back later' });
    }
    // The same person may have come back before the server knew of the break, or have two tabs.
    const others = [...this.members.values()].filter((member) => member.owner !== owner);
    const taken = new Set(others.map((member) => comparable(member.name)));
    if (!taken.has(comparable(name))) return;
    const message = `Somebody called ${name} is here already`;
    throw new WsException({ code: 'NAME_TAKEN', message, free: freeName(name, taken) });
  }

  private update(client: Client, change: Partial<Member>): void {
    const member = this.members.get(client.id);
    if (!member) return;
    Object.assign(member, { transport: client.conn.transport.name }, change);
    this.announcePresence(client.id, true);
  }

  private announcePresence(id: string, present: boolean): void {
    (present ? this.changed : this.gone).add(id);
    (present ? this.gone : this.changed).delete(id);
    this.presenceTimer ??= setTimeout(() => {
      this.presenceTimer = undefined;
      const changed = [...this.changed].flatMap((id) => this.members.get(id) ?? []);
      this.clients.emit('presence', { changed, gone: [...this.gone] });
      this.changed.clear();
      this.gone.clear();
    }, PRESENCE_DELAY);
  }

  private rarestColour(): number {
    const uses = Array.from({ length: PERSON_COLOURS }, () => 0);
    for (const { colour } of this.members.values()) uses[colour] += 1;
    return uses.indexOf(Math.min(...uses));
  }

  // ---- drawing

  /**
   * Adds points to a stroke.
   *
   * @returns how many points of the stroke the board has now, so that a page whose messages were lost can send the
   * rest again, and the stroke's place in the drawing order
   */
  draw(client: Client, { id, tool, ink, width, from, points, end }: DrawDto): { have: number; seq: number } {
    const key = keyOf(client, id);
    let stroke = this.strokes.get(key);
    if (!stroke) {
      if (from > 0) return { have: 0, seq: 0 };
      stroke = { key, seq: ++this.lastSeq, tool, ink, width, points: [], done: false };
      this.strokes.set(key, stroke);
    }
    const had = stroke.points.length / 2;
    // When something is missing before these points, the stroke has not ended whatever the message says.
    if (from <= had) {
      const added = points.slice(2 * (had - from));
      stroke.points.push(...added);
      // Who has gone by now lifts no pen any more.
      stroke.done ||= end === true || !this.members.has(client.id);
      this.points += added.length / 2;
      this.forgetOldest();
    }
    return { have: stroke.points.length / 2, seq: stroke.seq };
  }

  /** What the others do not know yet of strokes of a client. Of one that has gone meanwhile, nothing. */
  news(client: Client, ids: readonly string[]): StrokeNews[] {
    const strokes = [...new Set(ids)].flatMap((id) => this.strokes.get(keyOf(client, id)) ?? []);
    return strokes.map((stroke) => this.newsOf(stroke));
  }

  private newsOf(stroke: Stroke): StrokeNews {
    const from = this.told.get(stroke) ?? 0;
    this.told.set(stroke, stroke.points.length / 2);
    return { ...stroke, from, points: stroke.points.slice(2 * from) };
  }

  /** Where those are now who have moved. Volatile: a position that cannot be sent at once is worth nothing later. */
  point(moves: readonly Incoming<CursorDto>[]): void {
    const cursors = new Map<string, Cursor>(moves.map(({ client: { id }, data: { x, y } }) => [id, { id, x, y }]));
    this.clients.volatile.emit('cursors', [...cursors.values()]);
  }

  /** Removes the last stroke this person has finished. */
  undo(client: Client): { removed: number } {
    const own = `${client.data.member.owner}/`;
    const last = [...this.strokes.values()].findLast(({ key, done }) => done && key.startsWith(own));
    if (!last) return { removed: 0 };
    this.remove([last]);
    return { removed: 1 };
  }

  clear(client: Client): { removed: number } {
    const { name } = client.data.member;
    const removed = this.strokes.size;
    this.strokes.clear();
    this.points = 0;
    this.clients.emit('cleared', { id: client.id, name });
    return { removed };
  }

  private end(stroke: Stroke): void {
    stroke.done = true;
    this.clients.emit('strokes', [this.newsOf(stroke)]);
  }

  private forgetOldest(): void {
    const oldest: Stroke[] = [];
    let [strokes, points] = [this.strokes.size, this.points];
    for (const stroke of this.strokes.values()) {
      if (strokes <= LIMITS.strokes && points <= LIMITS.points) break;
      oldest.push(stroke);
      strokes -= 1;
      points -= stroke.points.length / 2;
    }
    if (oldest.length > 0) this.remove(oldest);
  }

  private remove(strokes: Stroke[]): void {
    for (const { key, points } of strokes) {
      this.strokes.delete(key);
      this.points -= points.length / 2;
    }
    this.clients.emit('removed', { keys: strokes.map(({ key }) => key) });
  }

  // ---- talk

  chat(client: Client, text: string): { id: number } {
    const { name, colour } = client.data.member;
    return this.say({ kind: 'chat', name, colour, text });
  }

  /** @returns how many members it goes to */
  announce(text: string): { members: number } {
    this.say({ kind: 'announcement', name: 'Announcement', colour: 0, text });
    return { members: this.members.size };
  }

  /** How things stand, to be sent by whoever asks; nothing while nobody is there to read it. */
  report(): ChatLine | undefined {
    if (this.members.size === 0) return undefined;
    const text = `${this.members.size} here, ${this.strokes.size} strokes on the board`;
    return this.keep({ kind: 'announcement', name: 'Report', colour: 0, text });
  }

  private say(line: Pick<ChatLine, 'kind' | 'name' | 'colour' | 'text'>): { id: number } {
    const chatLine = this.keep(line);
    this.clients.emit('chat', chatLine);
    return { id: chatLine.id };
  }

  /** For newcomers. */
  private keep(line: Pick<ChatLine, 'kind' | 'name' | 'colour' | 'text'>): ChatLine {
    const chatLine: ChatLine = { id: ++this.lastChatId, at: Date.now(), ...line };
    this.chatLines.push(chatLine);
    if (this.chatLines.length > LIMITS.chatLines) this.chatLines.shift();
    return chatLine;
  }
}

/** A page chooses the ids of its own strokes and of nobody else's. */
const keyOf = ({ data }: Client, id: string): string => `${data.member.owner}/${id}`;

/** Names that one cannot tell apart are the same name. */
const comparable = (name: string): string => name.normalize('NFKC').toLowerCase();

function freeName(name: string, taken: ReadonlySet<string>): string {
  const start = [...name].slice(0, LIMITS.name - 4).join('');
  for (let i = 2; ; i += 1) if (!taken.has(comparable(`${start} ${i}`))) return `${start} ${i}`;
}
