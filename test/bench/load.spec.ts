import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { HTMLFILE, MULTIPART, SOCKJS, SSE } from '../../bench/load/envelopes.js';
import { clientFrame, readFrame, serverFrame } from '../../bench/load/frames.js';
import { Load } from '../../bench/load/load.js';
import { ringOf } from '../../bench/load/ring.js';
import { splitter } from '../../bench/load/streaming.js';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

describe('a ring', () => {
  const ring = ringOf((n: number) => Buffer.from(`<${n}>,`), 1, 10);

  it('has any run of messages as one slice, without the last separator', () => {
    expect(`${ring.slice(8, 4)}`).toBe('<1008>,<1009>,<1000>,<1001>');
    expect(`${ring.slice(18, 1)}`).toBe('<1008>');
  });

  it.each([
    ['<1009>,<1000>', 9, 2],
    ['<1009>,<1000>', 8, 0],
    ['<1009>,<1001>', 9, 0],
    ['<1009>,', 9, 0],
    ['', 9, 0],
  ])('counts the messages of %j from number %d on: %d', (text, from, count) => {
    expect(ring.match(from, Buffer.from(text))).toBe(count);
  });

  it('knows what goes on within a message', () => {
    expect(ring.continues(3, 2, Buffer.from('003>,<10'))).toBe(true);
    expect(ring.continues(3, 2, Buffer.from('004>,<10'))).toBe(false);
  });

  it('refuses messages of different lengths', () => {
    expect(() => ringOf((n: number) => Buffer.alloc(n - 999), 0, 2)).toThrow('differ in length');
  });
});

describe('frames', () => {
  it.each([0, 125, 126, 65_535, 65_536])('of %d bytes can be read', (length) => {
    const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const frame = serverFrame(Buffer.alloc(length));
    expect(readFrame(frame)).toEqual({ start, end: start + length });
    expect(readFrame(frame.subarray(0, -1))).toBeNull();
  });

  it('of clients are masked', () => {
    const frame = clientFrame('hi');
    expect([...frame.subarray(0, 2)]).toEqual([0x81, 0x82]);
    expect(`${frame.subarray(6).map((byte, i) => byte ^ frame[2 + i]!)}`).toBe('hi');
  });
});

describe('an envelope', () => {
  const text = 'text/plain; charset=UTF-8';
  const part = (type: string, body: string) =>
    `--nestwire\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n`;

  it.each([
    ['of server-sent events', SSE, ':\n\nevent: seq\ndata: 1\n\ndata: 4a\n\ndata: 4b\x1e4c\n\nevent: end\ndata:\n\n'],
    [
      'of parts',
      MULTIPART,
      `\r\n${part('text/x-nestwire-seq', '1')}${part(text, '4a')}${part(text, '4b\x1e4c')}--nestwire--\r\n`,
    ],
    [
      'of elements',
      HTMLFILE,
      `<!-- --><html><script>x('>')</script><wbr data-n='1'><wbr data-f='[4a]'><wbr data-f='[4b\x1e4c]'><wbr data-e=''>`,
    ],
    ['of SockJS', SOCKJS, 'hhhh\no\na[4a]\na[4b\x1e4c]\n'],
  ])('%s is taken apart, however its bytes come', (_name, envelope, bytes) => {
    for (const size of [1, 7, bytes.length]) {
      const frames: string[] = [];
      const kinds = new Set<string>();
      const push = splitter(envelope, (kind: string, payload: Buffer) => {
        kinds.add(kind);
        if (kind === 'frame') frames.push(`${payload}`);
      });
      for (let at = 0; at < bytes.length; at += size) push(Buffer.from(bytes.slice(at, at + size)));
      expect(frames).toEqual(['4a', '4b\x1e4c']);
      expect(kinds.has('end')).toBe(envelope !== SOCKJS);
    }
  });
});

describe('a load', () => {
  /** A server that sends back what `answer` makes of what it gets. */
  async function mirror(answer: (bytes: Buffer) => Buffer) {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined).on('data', (bytes) => socket.write(answer(bytes)));
    });
    cleanUps.push(() => sockets.forEach((socket) => socket.destroy()));
    return listen(server);
  }

  async function loadOn(port: number, connections = 3) {
    const load = new Load({ peer: 'net', transport: 'net' } as never);
    cleanUps.push(() => load.connections.forEach((connection: { destroy(): void }) => connection.destroy()));
    await load.open({ port, connections } as never);
    return load;
  }

  it.each([
    ['each connection', { messages: 100, inFlight: 5 }],
    ['all together', { messages: 100, inFlight: 5, isSpread: true }],
  ])('is done when all is answered, in flight on %s', async (_case, order) => {
    let bytes = 0;
    const load = await loadOn(await mirror((chunk) => ((bytes += chunk.length), chunk)));
    await load.run(order);
    expect(bytes).toBe(100 * load.requests.size);
    await load.close();
  });

  it('takes answers that come in pieces', async () => {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('data', (bytes) => {
        socket.write(bytes.subarray(0, 20));
        setImmediate(() => socket.write(bytes.subarray(20)));
      });
    });
    const load = await loadOn(await listen(server), 1);
    await load.run({ messages: 20, inFlight: 2 });
    await load.close();
  });

  it('fails at a wrong answer', async () => {
    const load = await loadOn(await mirror((bytes) => bytes.fill(0x78, 5, 6)));
    await expect(load.run({ messages: 10, inFlight: 1 })).rejects.toThrow('unexpected bytes');
    await expect(load.close()).rejects.toThrow('unexpected bytes');
  });

  it('fails at an answer too many', async () => {
    const load = await loadOn(await mirror((bytes) => Buffer.concat([bytes, load.answers.slice(1, 1)])), 1);
    await expect(load.run({ messages: 5, inFlight: 1 })).rejects.toThrow('more answers than requests');
  });

  it('fails when a connection is closed', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()));
    const load = await loadOn(await listen(server));
    await expect(load.run({ messages: 10, inFlight: 1 })).rejects.toThrow(/closed by the server|ECONNRESET/);
  });

  it('fails at a stream that ends', async () => {
    const server = createHttpServer((_request, response) => {
      response.write(':\n\n');
      setImmediate(() => response.end());
    });
    const load = new Load({ peer: 'sse', transport: 'sse' } as never);
    cleanUps.push(() => server.closeAllConnections());
    await load.open({ port: await listen(server), connections: 1 } as never);
    await expect(load.hear({ broadcasts: 1 })).rejects.toThrow(/the stream/);
  });
});
