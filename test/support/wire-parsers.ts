/**
 * What a response of a streaming transport holds, read by a second, independent reader: bytes go in as they come, cut
 * anywhere. Sources: docs/protocol.md; HTML Living Standard, "Parsing an event stream"; RFC 2046, section 5.1.
 */
export type StreamItem =
  /** Packets as text, or one binary message. */
  { kind: 'frame'; packets: (string | Buffer)[] } | { kind: 'position'; next: number } | { kind: 'end' };

export interface StreamParser {
  push(chunk: Buffer): StreamItem[];
  /** Bytes that were read and belong to no item yet. */
  readonly incomplete: number;
}

const SEPARATOR = '\x1e';

/** The event stream as a browser's EventSource reads it. */
export class EventStreamParser implements StreamParser {
  private readonly decoder = new TextDecoder('utf-8');
  private line = '';
  private afterCarriageReturn = false;
  private data: string | null = null;
  private event = '';

  get incomplete(): number {
    return this.line.length + (this.data ?? '').length + this.event.length;
  }

  push(chunk: Buffer): StreamItem[] {
    const items: StreamItem[] = [];
    for (const character of this.decoder.decode(chunk, { stream: true })) {
      if (character === '\n' && this.afterCarriageReturn) {
        this.afterCarriageReturn = false;
        continue;
      }
      this.afterCarriageReturn = character === '\r';
      if (character === '\n' || character === '\r') {
        const item = this.endLine();
        if (item) items.push(item);
      } else {
        this.line += character;
      }
    }
    return items;
  }

  private endLine(): StreamItem | undefined {
    const { line } = this;
    this.line = '';
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data = this.data === null ? value : `${this.data}\n${value}`;
    else if (field === 'event') this.event = value;
    else throw new Error(`a field that the wire does not have: ${line.slice(0, 80)}`);
    return undefined;
  }

  private dispatch(): StreamItem | undefined {
    const { data, event } = this;
    this.data = null;
    this.event = '';
    if (data === null) return undefined;
    switch (event) {
      case '':
        return { kind: 'frame', packets: data.split(SEPARATOR) };
      case 'j':
        return { kind: 'frame', packets: JSON.parse(data) };
      case 'seq':
        return { kind: 'position', next: Number(data) };
      case 'end':
        return { kind: 'end' };
      default:
        throw new Error(`an event that the wire does not have: ${event}`);
    }
  }
}

/** The multipart body, read by the lengths of its parts. */
export class MultipartParser implements StreamParser {
  private bytes = Buffer.alloc(0);
  private begun = false;
  private ended = false;

  constructor(private readonly boundary = 'nestwire') {}

  get incomplete(): number {
    return this.bytes.length;
  }

  push(chunk: Buffer): StreamItem[] {
    if (this.ended) throw new Error('bytes after the closing boundary');
    this.bytes = Buffer.concat([this.bytes, chunk]);
    const items: StreamItem[] = [];
    for (let item = this.next(); item; item = this.next()) items.push(item);
    return items;
  }

  private next(): StreamItem | undefined {
    if (!this.begun) {
      if (this.bytes.length < 2) return undefined;
      this.expect(this.bytes.subarray(0, 2).toString('latin1'), '\r\n');
      this.bytes = this.bytes.subarray(2);
      this.begun = true;
    }
    const closing = `--${this.boundary}--\r\n`;
    if (this.bytes.subarray(0, closing.length).equals(Buffer.from(closing))) {
      this.bytes = this.bytes.subarray(closing.length);
      this.expect(this.bytes.toString(), '');
      this.ended = true;
      return { kind: 'end' };
    }
    const headEnd = this.bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [delimiter, ...lines] = this.bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
    this.expect(delimiter!, `--${this.boundary}`);
    const headers = new Map(lines.map((line) => line.split(': ') as [string, string]));
    this.expect([...headers.keys()].join(), 'Content-Type,Content-Length');
    const begin = headEnd + 4;
    const end = begin + Number(headers.get('Content-Length'));
    if (this.bytes.length < end + 2) return undefined;
    const body = this.bytes.subarray(begin, end);
    this.expect(this.bytes.subarray(end, end + 2).toString('latin1'), '\r\n');
    this.bytes = this.bytes.subarray(end + 2);
    return this.item(headers.get('Content-Type')!, body);
  }

  private item(type: string, body: Buffer): StreamItem {
    switch (type) {
      case 'text/plain; charset=UTF-8':
        return { kind: 'frame', packets: body.toString().split(SEPARATOR) };
      case 'application/json':
        return { kind: 'frame', packets: JSON.parse(body.toString()) };
      case 'application/octet-stream':
        return { kind: 'frame', packets: [Buffer.from(body)] };
      case 'text/x-nestwire-seq':
        return { kind: 'position', next: Number(body.toString()) };
      default:
        throw new Error(`a type that the wire does not have: ${type}`);
    }
  }

  private expect(actual: string, expected: string): void {
    if (actual !== expected) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

/** The document of a forever iframe, as a parser of HTML reads it: the prelude to the end of its script, then elements. */
export class DocumentParser implements StreamParser {
  private readonly decoder = new TextDecoder('utf-8');
  private text = '';
  private begun = false;
  private ended = false;

  get incomplete(): number {
    return this.text.length;
  }

  push(chunk: Buffer): StreamItem[] {
    if (this.ended && chunk.length > 0) throw new Error('bytes after the planned end');
    this.text += this.decoder.decode(chunk, { stream: true });
    if (!this.begun) {
      const end = this.text.indexOf('</script>');
      if (end < 0) return [];
      this.text = this.text.slice(end + '</script>'.length);
      this.begun = true;
    }
    const items: StreamItem[] = [];
    for (let end = this.text.indexOf('>'); end >= 0; end = this.text.indexOf('>')) {
      items.push(this.item(this.text.slice(0, end + 1)));
      this.text = this.text.slice(end + 1);
    }
    return items;
  }

  private item(tag: string): StreamItem {
    const [, name, value = ''] = /^<wbr data-(\w)='([^'<>&]*)'>$/.exec(tag) ?? [];
    switch (name) {
      case 'f':
        return { kind: 'frame', packets: JSON.parse(value) };
      case 'n':
        return { kind: 'position', next: Number(value) };
      case 'e':
        this.ended = true;
        return { kind: 'end' };
      default:
        throw new Error(`an element that the wire does not have: ${tag.slice(0, 80)}`);
    }
  }
}

const PARSERS = { eventsource: EventStreamParser, multipart: MultipartParser, htmlfile: DocumentParser };

export type StreamName = keyof typeof PARSERS;

export const STREAMS = Object.keys(PARSERS) as readonly StreamName[];

export const parserFor = (transport: StreamName): StreamParser => new PARSERS[transport]();

/** What the query of a GET has to say besides, where a page embeds the response: of which origin it is. */
export function pageQuery(transport: string, url: string, { origin = new URL(url).origin } = {}): string {
  return transport === 'htmlfile' ? `&origin=${encodeURIComponent(origin)}` : '';
}

/** What a page that embeds the response tells besides, as a browser does. */
export function pageHeaders(
  transport: string,
  url: string,
  headers: Record<string, string> = {},
): Record<string, string> {
  const { origin = new URL(url).origin } = headers;
  return transport === 'htmlfile' ? { referer: `${origin}/`, ...headers } : headers;
}
