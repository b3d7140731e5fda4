import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { Answer } from '../support/wire-http.js';
import { event, sessionClosed, until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { message, everyRow, type Connection, type Row } from '../support/wire-rows.js';

const start = useEngines();

async function connect(row: Row, options = {}): Promise<{ target: Harness; client: Connection; session: SessionLike }> {
  const target = await start(options);
  const client = await row.open(target);
  return { target, client, session: await target.sessions.next() };
}

function collect(session: SessionLike, name = 'message'): unknown[] {
  const received: unknown[] = [];
  session.on(name, (data: unknown) => received.push(data));
  return received;
}

const texts = {
  'one letter': 'a',
  'digits that look like a packet': '40',
  'a b that looks like base64': 'bAQIDBA==',
  'a colon and a length': '12:hello',
  'line breaks': 'a\nb\r\nc\rd',
  'the NUL character': 'a\0b',
  'two byte characters': 'žluťoučký кириллица',
  'three byte characters': '€uro 日本語 \u2028\u2029',
  'an emoji with skin tone and joiner': '👩🏽‍🚀 👨‍👩‍👧‍👦 🇨🇿',
  'a byte order mark': '\ufeffmark',
  markup: '</script><!-- & "quoted" \\ -->',
  '100,000 characters': 'ř'.repeat(100_000),
};

const binaries = {
  'one byte': Buffer.from([4]),
  'every byte value': Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  '100 KB': randomBytes(102_400),
};

describe.each(everyRow)('messages over $name', (row) => {
  it.each(Object.entries(texts))('carry %s up and down', async (_what, text) => {
    const { client, session } = await connect(row);
    session.on('message', (data) => session.send(data));
    const received = collect(session);
    await client.send(message(text));
    expect(await client.receive()).toEqual(message(text));
    expect(received).toEqual([text]);
  });

  it.each(Object.entries(binaries))('carry binary of %s up and down', async (_what, bytes) => {
    const { client, session } = await connect(row);
    session.on('message', (data) => session.send(data));
    const received = collect(session);
    await client.send(message(bytes));
    const answer = await client.receive();
    expect(bytes.equals(answer.data as Buffer)).toBe(true);
    expect(received.map((data) => Buffer.isBuffer(data) && bytes.equals(data))).toEqual([true]);
  });

  it('carry binary of no bytes up and down', async () => {
    const { client, session } = await connect(row);
    const received = collect(session);
    await client.send(message(Buffer.alloc(0)));
    await until(() => received.length === 1);
    expect(Buffer.from(received[0] as Buffer)).toHaveLength(0);
    session.send(Buffer.alloc(0));
    session.send('after');
    expect(await client.receive()).toEqual(message(Buffer.alloc(0)));
    expect(await client.receive()).toEqual(message('after'));
  });

  it.each([
    ['a Uint8Array', new Uint8Array([1, 2, 3])],
    ['an ArrayBuffer', new Uint8Array([1, 2, 3]).buffer],
    ['a view into a larger buffer', new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)],
    ['a slice of a pooled Buffer', Buffer.from([9, 1, 2, 3, 9]).subarray(1, 4)],
  ])('send %s as binary', async (_what, data) => {
    const { client, session } = await connect(row);
    session.send(data);
    expect(await client.receive()).toEqual(message(Buffer.from([1, 2, 3])));
  });

  it('mix text and binary in one exchange, in order', async () => {
    const { client, session } = await connect(row);
    session.on('message', (data) => session.send(data));
    const mixed = [message('text'), message(Buffer.from([1, 2, 3, 4])), message('čaj 🫖'), message(Buffer.from([255]))];
    await client.send(...mixed);
    for (const packet of mixed) expect(await client.receive()).toEqual(packet);
  });

  it('carry an empty text', async () => {
    const { client, session } = await connect(row);
    const received = collect(session);
    await client.send(message(''), message('next'));
    await until(() => received.length === 2);
    expect(received[0] ?? '').toBe('');
    session.send('').send('next');
    expect((await client.receive()).data ?? '').toBe('');
    expect(await client.receive()).toEqual(message('next'));
  });

  it('replace a lone surrogate, which UTF-8 cannot carry, and keep the session', async () => {
    const { client, session } = await connect(row);
    session.send('a\ud83db').send('after');
    const { data } = await client.receive();
    expect(data).toMatch(row.keepsLoneSurrogates ? /^a\ud83db$/ : /^a\ufffd+b$/);
    expect(await client.receive()).toEqual(message('after'));
  });

  it('keep the order of 1,000 messages down', async () => {
    const { client, session } = await connect(row);
    for (let i = 0; i < 1_000; i++) {
      session.send(i % 10 === 9 ? Buffer.from(String(i)) : String(i));
      if (i % 97 === 0) await new Promise(setImmediate); // several batches, not one
    }
    for (let i = 0; i < 1_000; i++) {
      expect(String((await client.receive()).data)).toBe(String(i));
    }
  });

  it('keep the order of 1,000 messages up', async () => {
    const { client, session } = await connect(row);
    const received = collect(session);
    for (let i = 0; i < 1_000; i += 50) {
      const batch = Array.from({ length: 50 }, (_, k) => message(k % 10 === 9 ? Buffer.from(`${i + k}`) : `${i + k}`));
      await client.send(...batch);
    }
    await until(() => received.length === 1_000);
    expect(received.map(String)).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)));
  });

  it('keep both orders when both sides send at once', async () => {
    const { client, session } = await connect(row);
    const received = collect(session);
    const up = (async () => {
      for (let i = 0; i < 100; i++) await client.send(message(`up ${i}`));
    })();
    for (let i = 0; i < 100; i++) {
      session.send(`down ${i}`);
      await new Promise(setImmediate);
    }
    for (let i = 0; i < 100; i++) expect(await client.receive()).toEqual(message(`down ${i}`));
    await up;
    await until(() => received.length === 100);
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => `up ${i}`));
  });

  it('do not reach another session', async () => {
    const { target, client, session } = await connect(row);
    const other = await row.open(target);
    const otherSession = await target.sessions.next();
    session.send('for one');
    otherSession.send('for two');
    expect(await other.receive()).toEqual(message('for two'));
    expect(await client.receive()).toEqual(message('for one'));
  });

  it('raise packet, data and message events, and packetCreate on the way out', async () => {
    const { client, session } = await connect(row);
    const seen: unknown[] = [];
    session.on('packet', (packet) => seen.push(['packet', packet.type, packet.data]));
    session.on('data', (data) => seen.push(['data', data]));
    const arrived = event(session, 'message');
    await client.send(message('up'));
    expect(await arrived).toEqual(['up']);
    expect(seen).toEqual([
      ['packet', 'message', 'up'],
      ['data', 'up'],
    ]);
    const created = event(session, 'packetCreate');
    session.send('down', { compress: false });
    expect((await created)[0]).toMatchObject({ type: 'message', data: 'down', options: { compress: false } });
    expect(await client.receive()).toEqual(message('down'));
  });
});

describe.each(everyRow)('payload limit over $name', (row) => {
  const limit = 2_000;

  /** A text message of exactly this many bytes on the wire. */
  function ofSize(bytes: number) {
    let length = bytes;
    while (row.wireSize(message('x'.repeat(length))) > bytes) length--;
    const packet = message('x'.repeat(length));
    expect(row.wireSize(packet)).toBe(bytes);
    return packet;
  }

  it.each([
    ['one byte under', limit - 1],
    ['at', limit],
  ])('takes a message %s the limit', async (_where, bytes) => {
    const { client, session } = await connect(row, { maxHttpBufferSize: limit });
    const arrived = event(session, 'message');
    const packet = ofSize(bytes);
    await client.send(packet);
    expect(await arrived).toEqual([packet.data]);
  });

  it('counts bytes, not characters', async () => {
    const { client, session } = await connect(row, { maxHttpBufferSize: limit });
    const received = collect(session);
    const closed = client.closed.then((how) => how.code);
    const answered = client.send(message('€'.repeat(limit / 2))).catch((answer: Answer) => answer.status);
    if ('status' in row.oversize.answer) expect(await answered).toBe(row.oversize.answer.status);
    else expect(await closed).toBe(row.oversize.answer.closeCode);
    expect(received).toEqual([]);
  });

  it('refuses a message one byte over the limit', async () => {
    const { target, client, session } = await connect(row, { maxHttpBufferSize: limit });
    const received = collect(session);
    const { answer, sessionReason } = row.oversize;
    const ended = sessionClosed(session);
    const sent = client.send(ofSize(limit + 1));
    if ('status' in answer) {
      await expect(sent).rejects.toMatchObject({ status: answer.status });
    } else {
      await sent;
      expect((await client.closed).code).toBe(answer.closeCode);
    }
    if (sessionReason) {
      expect((await ended).reason).toBe(sessionReason);
      expect(target.engine.clientsCount).toBe(0);
    } else {
      await client.send(message('the session lives on'));
      expect(received).toEqual(['the session lives on']);
    }
    expect(received).not.toContainEqual(expect.stringMatching(/^x/));
  });

  it('does not bound what the server sends', async () => {
    const { client, session } = await connect(row, { maxHttpBufferSize: limit });
    session.send('y'.repeat(5 * limit));
    expect(await client.receive()).toEqual(message('y'.repeat(5 * limit)));
  });
});
