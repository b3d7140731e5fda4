import { describe, expect, it } from '@jest/globals';
import { ours, sessionClosed, until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { WsClient } from '../support/wire-websocket.js';

const start = useEngines();

async function open(
  eio: 3 | 4,
  options = {},
  query = '',
  wsOptions = {},
): Promise<{ target: Harness; client: WsClient; session: SessionLike }> {
  const target = await start(options);
  const client = new WsClient(`${target.url.replace('http', 'ws')}?EIO=${eio}&transport=websocket${query}`, wsOptions);
  target.onTeardown(() => client.cut());
  expect(await client.next()).toMatch(/^0\{"sid":/);
  return { target, client, session: await target.sessions.next() };
}

function echo(session: SessionLike): void {
  session.on('message', (data: unknown) => session.send(data));
}

describe('websocket frames', () => {
  it('are text with a digit, and raw binary, in revision 4', async () => {
    const { client, session } = await open(4);
    echo(session);
    await client.send('4hello');
    expect(await client.next()).toBe('4hello');
    await client.send(Buffer.from([1, 2, 3, 4]));
    expect(await client.next()).toEqual(Buffer.from([1, 2, 3, 4]));
    await client.send('bAQIDBA==');
    expect(await client.next()).toEqual(Buffer.from([1, 2, 3, 4]));
  });

  it('are text with a digit, and binary behind a type byte, in revision 3', async () => {
    const { client, session } = await open(3);
    echo(session);
    await client.send('4hello');
    expect(await client.next()).toBe('4hello');
    await client.send(Buffer.from([4, 1, 2, 3, 4]));
    expect(await client.next()).toEqual(Buffer.from([4, 1, 2, 3, 4]));
  });

  it('are base64 text when a client of revision 3 says b64=1', async () => {
    const { client, session } = await open(3, {}, '&b64=1');
    echo(session);
    await client.send('b4AQIDBA==');
    expect(await client.next()).toBe('b4AQIDBA==');
  });

  it('leave in order when text and binary are sent in one tick', async () => {
    const { client, session } = await open(4);
    for (let i = 0; i < 20; i++) session.send(i % 2 ? Buffer.from([i]) : `t${i}`);
    for (let i = 0; i < 20; i++) {
      expect(await client.next()).toEqual(i % 2 ? Buffer.from([i]) : `4t${i}`);
    }
  });

  it('may come in fragments', async () => {
    const { client, session } = await open(4);
    echo(session);
    client.ws.send('4frag', { fin: false });
    client.ws.send('men', { fin: false });
    client.ws.send('ted', { fin: true });
    expect(await client.next()).toBe('4fragmented');
  });

  it('take the frame that a broadcast has encoded once', async () => {
    const { client, session } = await open(4);
    const payload = Buffer.from('4shared');
    const frame = [Buffer.from([0x81, payload.length]), payload];
    session.write('shared', { preEncoded: true, wsPreEncodedFrame: frame });
    session.write('own', {});
    expect(await client.next()).toBe('4shared');
    expect(await client.next()).toBe('4own');
  });
});

describe('websocket compression', () => {
  it('is not negotiated by default', async () => {
    const { client } = await open(4, {}, '', { perMessageDeflate: true });
    expect(client.ws.extensions).toBe('');
  });

  it('is negotiated when asked for', async () => {
    const { client, session } = await open(4, { perMessageDeflate: { threshold: 10 } }, '', {
      perMessageDeflate: true,
    });
    expect(client.ws.extensions).toContain('permessage-deflate');
    echo(session);
    const text = `4${'again and '.repeat(1_000)}`;
    await client.send(text);
    expect(await client.next()).toBe(text);
    // a frame encoded without compression must not go out as it is
    session.write('shared', { wsPreEncodedFrame: [Buffer.from([0x81, 7]), Buffer.from('4shared')] });
    expect(await client.next()).toBe('4shared');
  });

  it('counts the limit after inflation', async () => {
    const { client, session } = await open(4, { perMessageDeflate: true, maxHttpBufferSize: 10_000 }, '', {
      perMessageDeflate: { threshold: 0 },
    });
    const ended = sessionClosed(session);
    await client.send(`4${'0'.repeat(1_000_000)}`);
    expect((await client.closed).code).toBe(1009);
    expect((await ended).reason).toBe('transport error');
  });
});

describe('websocket close', () => {
  it('by a close frame is "transport close" with any code', async () => {
    for (const code of [1000, 1001, 3000, 4999]) {
      const { client, session } = await open(4);
      const ended = sessionClosed(session);
      client.ws.close(code, 'bye');
      expect((await ended).reason).toBe('transport close');
    }
  });

  it('by the server carries no code, as clients expect', async () => {
    const { client, session } = await open(4);
    session.close();
    expect((await client.closed).code).toBe(1005);
  });

  if (ours) {
    // stock ignores the packet and ends the session by ping timeout
    it('by the close packet is an orderly end', async () => {
      const { client, session } = await open(4);
      const ended = sessionClosed(session);
      await client.send('1');
      await client.closed;
      expect((await ended).reason).toBe('transport close');
    });
  }

  it('lets a custom wsEngine take over', async () => {
    const { WebSocketServer } = await import('ws');
    const made: object[] = [];
    class Counting extends WebSocketServer {
      constructor(options: ConstructorParameters<typeof WebSocketServer>[0]) {
        super(options);
        made.push(options!);
      }
    }
    const { client, session } = await open(4, { wsEngine: Counting, maxHttpBufferSize: 4_321 });
    echo(session);
    await client.send('4x');
    expect(await client.next()).toBe('4x');
    await until(() => made.length > 0);
    expect(made[0]).toMatchObject({ noServer: true, maxPayload: 4_321 });
  });
});
