/*
 * Server-sent events, read as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6), for places
 * that have no `EventSource`. The bytes may be cut anywhere. Each character is looked at once and copied twice at most,
 * however the server, or somebody between, cuts and orders them.
 */

/** Characters that an event may have: far above what a server sends, far below what hurts. */
const MAX_EVENT = 64 * 1024 * 1024;

const LINE_END = /\r\n?|\n/g;

/** Parses a stream of server-sent events; `id` and `retry` are for those that reconnect by themselves, and are ignored. */
export class SseParser {
  private readonly decoder = new TextDecoder();
  /** The beginning of a line whose end has not come. */
  private line: string[] = [];
  private type = '';
  private data: string[] = [];
  private length = 0;
  /** Whether the last chunk ended in CR: an LF that follows belongs to it. */
  private afterReturn = false;

  /**
   * @param onEvent called with the type (`message` when the stream names none) and the data of each event.
   */
  constructor(private readonly onEvent: (type: string, data: string) => void) {}

  /**
   * Takes the next bytes.
   *
   * @throws Error when an event is longer than any that is sent.
   */
  push(bytes: Uint8Array): void {
    let text = this.decoder.decode(bytes, { stream: true });
    if (text === '') return;
    if (this.afterReturn && text.startsWith('\n')) text = text.slice(1);
    this.afterReturn = text === '' ? false : text.endsWith('\r');
    let start = 0;
    for (const end of text.matchAll(LINE_END)) {
      this.keep(text.slice(start, end.index));
      const line = this.line.length === 1 ? this.line[0]! : this.line.join('');
      this.line = [];
      start = end.index + end[0].length;
      this.endLine(line);
    }
    if (start < text.length) this.keep(text.slice(start));
  }

  private keep(piece: string): void {
    this.line.push(piece);
    this.length += piece.length;
    if (this.length > MAX_EVENT) throw new Error(`event over ${MAX_EVENT} characters`);
  }

  private endLine(line: string): void {
    if (line === '') {
      this.endEvent();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const from = line[colon + 1] === ' ' ? colon + 2 : colon + 1;
    const value = colon === -1 ? '' : line.slice(from);
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.type = value;
  }

  private endEvent(): void {
    const { type, data } = this;
    this.type = '';
    this.data = [];
    this.length = 0;
    if (data.length > 0) this.onEvent(type || 'message', data.length === 1 ? data[0]! : data.join('\n'));
  }
}
