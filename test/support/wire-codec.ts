/**
 * Engine.IO packets as a client writes and reads them: a second, independent codec, so that the tests do not check the
 * library against itself. Source: Engine.IO protocol documents, revisions 4 and 3.
 */
export type PacketType = 'open' | 'close' | 'ping' | 'pong' | 'message' | 'upgrade' | 'noop';
export type Protocol = 3 | 4;

export interface WirePacket {
  type: PacketType;
  data?: string | Buffer;
}

const TYPES: PacketType[] = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];
const SEPARATOR = '\x1e';

export function message(data: string | Buffer): WirePacket {
  return { type: 'message', data };
}

/** A packet inside a text: `4hello`, and `bAQID` (revision 4) or `b4AQID` (revision 3) for binary. */
export function encodeText(packet: WirePacket, protocol: Protocol): string {
  const known = TYPES.indexOf(packet.type);
  // a test may name a type that does not exist, to see it refused
  const digit = known < 0 ? packet.type : String(known);
  if (Buffer.isBuffer(packet.data)) return `b${protocol === 3 ? digit : ''}${packet.data.toString('base64')}`;
  return digit + (packet.data ?? '');
}

export function decodeText(text: string, protocol: Protocol): WirePacket {
  if (text.startsWith('b')) {
    const digits = protocol === 3 ? 1 : 0;
    const type = protocol === 3 ? typeOf(text[1]) : 'message';
    return { type, data: Buffer.from(text.slice(1 + digits), 'base64') };
  }
  return withData(typeOf(text[0]), text.slice(1));
}

/** A packet as one WebSocket frame: binary travels raw in revision 4, behind a type byte in revision 3. */
export function encodeFrame(packet: WirePacket, protocol: Protocol): string | Buffer {
  if (!Buffer.isBuffer(packet.data)) return encodeText(packet, protocol);
  return protocol === 4 ? packet.data : Buffer.concat([Buffer.from([TYPES.indexOf(packet.type)]), packet.data]);
}

export function decodeFrame(data: string | Buffer, protocol: Protocol): WirePacket {
  if (typeof data === 'string') return decodeText(data, protocol);
  if (protocol === 4) return { type: 'message', data };
  return { type: typeOf(String(data[0])), data: data.subarray(1) };
}

/** A request body; a Buffer when it must travel as application/octet-stream (revision 3 only). */
export function encodePayload(packets: WirePacket[], protocol: Protocol, textOnly: boolean): string | Buffer {
  if (protocol === 4) return packets.map((packet) => encodeText(packet, 4)).join(SEPARATOR);
  if (!textOnly && packets.some((packet) => Buffer.isBuffer(packet.data))) {
    return Buffer.concat(packets.map(encodeBinaryEntry));
  }
  return packets
    .map((packet) => encodeText(packet, 3))
    .map((text) => `${text.length}:${text}`)
    .join('');
}

export function decodePayload(body: Buffer, contentType: string, protocol: Protocol): WirePacket[] {
  if (protocol === 4) {
    return body
      .toString()
      .split(SEPARATOR)
      .map((text) => decodeText(text, 4));
  }
  return contentType.startsWith('application/octet-stream')
    ? decodeBinaryPayload(body)
    : decodeTextPayload(body.toString());
}

function encodeBinaryEntry(packet: WirePacket): Buffer {
  const binary = Buffer.isBuffer(packet.data);
  const content = binary ? (encodeFrame(packet, 3) as Buffer) : Buffer.from(encodeText(packet, 3));
  const length = [...String(content.length)].map(Number);
  return Buffer.concat([Buffer.from([binary ? 1 : 0, ...length, 255]), content]);
}

function decodeBinaryPayload(body: Buffer): WirePacket[] {
  const packets: WirePacket[] = [];
  for (let at = 0; at < body.length;) {
    const mark = body.indexOf(255, at);
    const length = Number([...body.subarray(at + 1, mark)].join(''));
    const content = body.subarray(mark + 1, mark + 1 + length);
    packets.push(body[at] === 1 ? decodeFrame(Buffer.from(content), 3) : decodeText(content.toString(), 3));
    at = mark + 1 + length;
  }
  return packets;
}

function decodeTextPayload(text: string): WirePacket[] {
  const packets: WirePacket[] = [];
  for (let at = 0; at < text.length;) {
    const colon = text.indexOf(':', at);
    const end = colon + 1 + Number(text.slice(at, colon));
    packets.push(decodeText(text.slice(colon + 1, end), 3));
    at = end;
  }
  return packets;
}

function typeOf(digit: string): PacketType {
  const type = TYPES[Number(digit)];
  if (type === undefined) throw new Error(`the server sent a packet of unknown type "${digit}"`);
  return type;
}

function withData(type: PacketType, data: string): WirePacket {
  return data === '' ? { type } : { type, data };
}
