import { deadlineEntry, type DeadlineEntry } from '../deadlines.js';
import type { TransportHost, TransportResponse } from './transport.js';

/**
 * The answer of a session that has ended on our side and that its client has not read whole. The client controls the pace,
 * a byte a minute if it likes, with or without its session. So there is one at most, what is left of it counts as waiting
 * for the client, and it is cut when its time is over, whatever the pace.
 */
export class Unread {
  private entry: DeadlineEntry<TransportResponse> | null = null;

  constructor(private readonly host: TransportHost) {}

  /** Whether there is one. */
  get isThere(): boolean {
    return this.entry !== null;
  }

  /** Bytes of it that have not left this process. */
  get bytes(): number {
    return this.entry?.item.writableLength ?? 0;
  }

  /** Watches an answer that has been ended, or that a compressor is going to end; mostly all of it is gone already. */
  watch(response: TransportResponse): void {
    if (response.writableEnded && !((response.writableLength ?? 0) > 0)) return;
    this.cut();
    this.entry = deadlineEntry(response);
    this.host.unread.schedule(this.entry);
    const { socket } = response;
    response.on('finish', () => {
      // Node says so of a response as well whose connection was cut before all of it had left
      if (this.entry?.item === response && !socket?.destroyed) this.forget();
    });
  }

  /** A response closed. @returns whether it was cut before all of it had left. */
  closed(response: TransportResponse): boolean {
    if (this.entry?.item !== response) return false;
    this.forget();
    return true;
  }

  /** Cuts the answer, if there is one. */
  cut(): void {
    this.forget()?.destroy();
  }

  private forget(): TransportResponse | null {
    const { entry } = this;
    if (entry === null) return null;
    this.entry = null;
    this.host.unread.cancel(entry);
    return entry.item;
  }
}
