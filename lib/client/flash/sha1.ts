/*
 * SHA-1 of an ASCII text, for the one place where WebSocket wants it: `crypto.subtle` is there in secure contexts only, and a
 * page that needs a Flash socket has no TLS. It protects nothing here: a server shows by it that it understood the question.
 *
 * RFC 3174, section 6.1.
 */

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** The 20 bytes of the hash. */
export function sha1(text: string): Uint8Array<ArrayBuffer> {
  const length = text.length;
  const padded = new DataView(new ArrayBuffer(((length + 8) >> 6) * 64 + 64));
  for (let i = 0; i < length; i++) padded.setUint8(i, text.charCodeAt(i));
  padded.setUint8(length, 0x80);
  padded.setUint32(padded.byteLength - 4, length * 8);
  const hash = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const words = new Int32Array(80);
  for (let block = 0; block < padded.byteLength; block += 64) {
    for (let i = 0; i < 80; i++) {
      words[i] =
        i < 16
          ? padded.getInt32(block + i * 4)
          : rotate(words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!, 1);
    }
    let [a, b, c, d, e] = hash as [number, number, number, number, number];
    for (let i = 0; i < 80; i++) {
      const [mixed, constant] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      const next = (rotate(a, 5) + mixed + e + constant + words[i]!) | 0;
      [e, d, c, b, a] = [d, c, rotate(b, 30), a, next];
    }
    [a, b, c, d, e].forEach((word, i) => (hash[i] = (hash[i]! + word) | 0));
  }
  const bytes = new DataView(new ArrayBuffer(20));
  hash.forEach((word, i) => bytes.setInt32(i * 4, word));
  return new Uint8Array(bytes.buffer);
}
