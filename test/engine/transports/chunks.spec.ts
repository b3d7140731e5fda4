/** Chunks that are written below a response: their bytes, and when it may be done. */
import { once } from 'node:events';
import { createServer, request, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chunkOf, connectionBelow, lengthOf, writeChunk } from '../../../lib/engine/transports/chunks.js';
import { StreamResponse } from '../../../lib/engine/transports/stream-response.js';
import { Framer } from '../../../lib/engine/transports/framer.js';
import { eventSourceEnvelope } from '../../../lib/engine/transports/eventsource.js';
import { RawConnection } from '../../support/wire-http.js';
import { FakeResponse } from '../support.js';

describe('a chunk', () => {
  it.each([
    [['abc'], '3\r\nabc\r\n'],
    [['data: 4a\n\n', 'data: 4b\n\n'], '14\r\ndata: 4a\n\ndata: 4b\n\n\r\n'],
    [['€'], '3\r\n€\r\n'],
  ])('of %j is %j', (frames, chunk) => {
    expect(chunkOf(frames.map((frame) => Buffer.from(frame)))?.toString()).toBe(chunk);
  });

  it('is a copy as long as that is cheap', () => {
    const frame = Buffer.alloc(65_536, 'x');
    expect(chunkOf([frame])?.subarray(0, 8).toString()).toBe('10000\r\nx');
    expect(chunkOf([frame, Buffer.from('y')])).toBeNull();
    expect(lengthOf([frame, Buffer.from('y')])).toBe(65_537);
  });
});

let server: Server;
let port: number;

beforeEach(async () => {
  server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

/** Asks the server, and gives its response and the answer. */
async function exchange(): Promise<{ response: ServerResponse; answer: Promise<IncomingMessage> }> {
  const get = request({ port, host: '127.0.0.1', agent: false }).end();
  get.on('error', () => {});
  const answer = once(get, 'response').then(([message]) => message as IncomingMessage);
  // cut at the end of a case that does not look at it
  answer.catch(() => {});
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  return { response, answer };
}

describe('the connection below a response', () => {
  it('is there once the head has gone there, and until the end', async () => {
    const { response } = await exchange();
    expect(connectionBelow(response)).toBeNull();
    response.cork();
    response.writeHead(200);
    response.write('begin');
    expect(connectionBelow(response)).toBeNull();
    response.uncork();
    expect(connectionBelow(response)).toBe(response.socket);
    response.end();
    expect(connectionBelow(response)).toBeNull();
  });

  it('is not there for what is not chunked, as for HTTP/1.0', async () => {
    const raw = new RawConnection(port);
    raw.write('GET / HTTP/1.0\r\n\r\n');
    const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
    response.writeHead(200);
    response.write('begin');
    expect(connectionBelow(response)).toBeNull();
    response.end();
    await raw.ended;
  });

  it('is not there while an earlier answer on it is not given', async () => {
    const responses: ServerResponse[] = [];
    server.on('request', (_request, response) => responses.push(response));
    const raw = new RawConnection(port);
    raw.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n');
    while (responses.length < 2) {
      // oxlint-disable-next-line no-await-in-loop
      await once(server, 'request');
    }
    for (const response of responses) {
      response.writeHead(200);
      response.write('begin');
    }
    await new Promise(setImmediate);
    expect(connectionBelow(responses[1]!)).toBeNull();
    expect(connectionBelow(responses[0]!)).toBe(responses[0]!.socket);
    raw.socket.destroy();
  });

  it('is not there where something writes in between, nor for a response that is not of Node', async () => {
    const { response } = await exchange();
    response.writeHead(200);
    response.write('begin');
    const { write } = response;
    response.write = function compressed(this: ServerResponse, ...args: never[]) {
      return (write as (...args: never[]) => boolean).apply(this, args);
    } as typeof write;
    expect(connectionBelow(response)).toBeNull();
    expect(connectionBelow(new FakeResponse())).toBeNull();
  });
});

describe('frames that are written below a response', () => {
  const framer = Framer.of(eventSourceEnvelope);
  const owner = { drain: () => {}, cut: () => {} };

  it('come between what is written through it, in order, whatever their size', async () => {
    const { response, answer } = await exchange();
    const stream = new StreamResponse(response, {}, framer, owner);
    const large = Buffer.alloc(300_000, 'L');
    stream.write('prelude,');
    // in the turn of the head they go through the response
    stream.writeFrames([Buffer.from('first,')]);
    await new Promise(setImmediate);
    stream.writeFrames([Buffer.from('second,'), Buffer.from('third,')]);
    stream.writeFrames([]);
    stream.writeFrames([Buffer.from('<'), large, Buffer.from('>')]);
    response.end('end');
    const chunks: Buffer[] = [];
    for await (const chunk of await answer) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe(`prelude,first,second,third,<${String(large)}>end`);
    expect(stream.bytes).toBe('prelude,first,second,third,<>'.length + large.length);
  });

  it('leave the connection fit for another request', async () => {
    const raw = new RawConnection(port);
    server.on('request', (asked, response: ServerResponse) => {
      const stream = new StreamResponse(response, {}, framer, owner);
      stream.write('an ');
      setImmediate(() => {
        stream.writeFrames([Buffer.from(`answer to ${asked.url}`)]);
        response.end();
      });
    });
    raw.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until(/answer to \/1\r\n0\r\n\r\n/);
    raw.write('GET /2 HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until(/answer to \/2\r\n0\r\n\r\n/);
    raw.socket.destroy();
  });

  it('go through it as long as the head has not left', async () => {
    const { response, answer } = await exchange();
    const stream = new StreamResponse(response, {}, framer, owner);
    await new Promise(setImmediate);
    stream.writeFrames([Buffer.from('first')]);
    response.end();
    const chunks: Buffer[] = [];
    for await (const chunk of await answer) chunks.push(chunk as Buffer);
    expect(String(Buffer.concat(chunks))).toBe('first');
  });

  it('fill it, until the client reads', async () => {
    const { response, answer } = await exchange();
    const drained = new Promise<void>((resolve) => {
      const waiting = { drain: () => resolve(), cut: () => {} };
      const stream = new StreamResponse(response, {}, framer, waiting);
      stream.write('x');
      setImmediate(() => {
        while (!stream.isFull) stream.writeFrames([Buffer.alloc(60_000, 'y')]);
      });
    });
    const message = await answer;
    expect(response.writableLength).toBeGreaterThan(0);
    message.resume();
    await drained;
    response.end();
    await once(message, 'end');
  });

  it('are one buffer for all receivers of a broadcast', () => {
    const options = { wsPreEncodedFrame: [] };
    const packets = () => [{ type: 'message' as const, data: 'all', options }];
    const [first, second] = [framer.frames(packets(), true), framer.frames(packets(), false)];
    expect(framer.chunk(first)).toBe(framer.chunk(second));
    expect(framer.chunk(first)!.toString()).toBe('c\r\ndata: 4all\n\n\r\n');
    const alone = framer.frames([{ type: 'message', data: 'one' }], true);
    expect(framer.chunk(alone)).not.toBe(framer.chunk(alone));
  });

  it('are told of as taken or not', () => {
    const written: unknown[] = [];
    let takes = true;
    const connection = {
      cork: () => written.push('cork'),
      uncork: () => written.push('uncork'),
      write: (chunk: string | Buffer) => {
        written.push(chunk.length);
        return takes;
      },
    } as unknown as Socket;
    expect(writeChunk(connection, [Buffer.from('abc')], Buffer.from('3\r\nabc\r\n'))).toBe(true);
    takes = false;
    expect(writeChunk(connection, [Buffer.alloc(70_000)], null)).toBe(false);
    expect(written).toEqual([8, 'cork', 7, 70_000, 2, 'uncork']);
  });
});
