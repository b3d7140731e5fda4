import type { Packet } from './packet.js';
import { codecFor } from './codec.js';

/*
 * Packets as text that survives a line-oriented wire. A payload (packets joined by 0x1E) travels as it is as long as that
 * loses nothing; else the packets travel as a JSON array of strings. A carriage return or line feed would end a line, NUL
 * and lone surrogates do not survive every decoder, and 0x1E inside a packet would divide it.
 */

const codec = codecFor(4);

/** Text of packets, and how it is to be read. */
export interface LineText {
  readonly text: string;
  /** Whether the text is a JSON array of encoded packets instead of a payload. */
  readonly isJson: boolean;
}

/** What a raw line would lose: CR, LF, NUL, and the separator of payloads. */
const LOSSY = /[\r\n\0\x1e]/; // eslint-disable-line no-control-regex

/** Encodes packets for one line. Binary data becomes base64. */
export function encodeLine(packets: readonly Packet[]): LineText {
  let payload = '';
  for (let i = 0; i < packets.length; i++) {
    const encoded = codec.encodePacket(packets[i]!, false) as string;
    if (LOSSY.test(encoded) || !encoded.isWellFormed()) return asJson(packets);
    payload = i === 0 ? encoded : `${payload}\x1e${encoded}`;
  }
  return { text: payload, isJson: false };
}

function asJson(packets: readonly Packet[]): LineText {
  // JSON escapes control characters and lone surrogates, so the line holds neither
  return { text: JSON.stringify(packets.map((packet) => codec.encodePacket(packet, false))), isJson: true };
}

/** What must not stand as it is where HTML or a script is read. */
const MARKUP = /[<>&'\u2028\u2029]/g;

/**
 * JSON that may stand in a script, and in an attribute of HTML within single quotes: markup and the line separators of
 * Unicode are written as `\uXXXX`, and so mean the same. (Escaping `</` alone is not enough: after `<!--<script` a parser
 * of HTML does not see the end of the script.)
 */
export function inertJson(value: string | readonly string[]): string {
  return JSON.stringify(value).replace(MARKUP, escapeUnit);
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
