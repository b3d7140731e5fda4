import { LostError } from './session.js';

/** A stroke of which something was refused or lost goes again so often. */
const MOST_TRIES = 3;
/** Milliseconds until it does, where the server wants one to slow down. */
const TRY_AFTER = 1_000;

/** Sends one's own strokes, and keeps each until the server has confirmed it whole. */
export class Outbox {
  #session;
  #surface;
  #onproblem;
  #pending = new Map();

  constructor({ session, surface, onproblem }) {
    this.#session = session;
    this.#surface = surface;
    this.#onproblem = onproblem;
  }

  add(stroke) {
    this.#pending.set(stroke.key, Object.assign(stroke, { sent: 0, tries: 0 }));
  }

  /** Sends what was not sent yet. The last message of a stroke asks for an answer. */
  send(stroke) {
    if (!this.#session.joined) return;
    const id = stroke.key.slice(stroke.key.indexOf('/') + 1);
    const { tool, ink, width, points, done } = stroke;
    const total = points.length / 2;
    // An end without points is not a message: the last point goes again.
    let from = done ? Math.min(stroke.sent, total - 1) : stroke.sent;
    while (from < total) {
      const to = Math.min(total, from + this.#session.limits.batchPoints);
      const message = { id, tool, ink, width, from, points: points.slice(2 * from, 2 * to) };
      if (done && to === total) void this.#confirm(stroke, { ...message, end: true });
      else this.#session.tell('draw', message);
      from = to;
    }
    stroke.sent = total;
  }

  async #confirm(stroke, message) {
    try {
      const { have, seq } = await this.#session.request('draw', message);
      const isWhole = have === stroke.points.length / 2;
      if (this.#pending.get(stroke.key) !== stroke) {
        // Somebody cleared the board while this was on its way; what came there afterwards is there.
        if (isWhole && !this.#surface.get(stroke.key)) this.#surface.add(Object.assign(stroke, { seq }));
      } else if (isWhole) {
        this.#pending.delete(stroke.key);
        this.#surface.place(stroke, seq);
      } else if (++stroke.tries > MOST_TRIES) {
        this.#giveUp(stroke, 'it could not be sent');
      } else {
        stroke.sent = have;
        this.send(stroke);
      }
    } catch (error) {
      if (error instanceof LostError) return; // sent again when the connection is back
      if (error.code !== 'RATE_LIMITED' || ++stroke.tries > MOST_TRIES) {
        this.#giveUp(stroke, error.message);
      } else {
        this.#onproblem(error.message);
        setTimeout(() => this.#sendAgain(stroke), TRY_AFTER);
      }
    }
  }

  #giveUp(stroke, why) {
    this.#pending.delete(stroke.key);
    this.#surface.remove([stroke.key]);
    this.#onproblem(`A stroke was not taken: ${why}`);
  }

  /** The server skips what it has. */
  #sendAgain(stroke) {
    if (this.#pending.get(stroke.key) !== stroke) return;
    stroke.sent = 0;
    this.send(stroke);
  }

  /** After a reconnect: whatever is not confirmed goes again. */
  resend() {
    for (const stroke of this.#pending.values()) {
      const known = this.#surface.get(stroke.key);
      if (known !== stroke) {
        if (known) this.#surface.remove([stroke.key]);
        this.#surface.add(Object.assign(stroke, { seq: known?.seq }));
      }
      this.#sendAgain(stroke);
    }
  }

  /** These strokes are gone from the board; without keys, all. */
  forget(keys) {
    for (const key of keys ?? [...this.#pending.keys()]) this.#pending.delete(key);
  }
}
