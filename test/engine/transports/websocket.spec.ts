/** When a WebSocket's packets reach the session: at the end of the turn in which they were read, and before its end. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { WebSocket } from 'ws';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import { WebSocketTransport } from '../../../lib/engine/transports/websocket.js';
import { fakeHost, RecordingSink } from '../support.js';

class FakeWebSocket extends EventEmitter {
  readyState = 1;
  isTerminated = false;

  /** Text frames that come in one read. */
  read(...texts: string[]): void {
    for (const text of texts) this.emit('message', Buffer.from(text), false);
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

let webSocket: FakeWebSocket;
let sink: RecordingSink;
let transport: WebSocketTransport;
let closes: number;

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

beforeEach(() => {
  webSocket = new FakeWebSocket();
  sink = new RecordingSink();
  closes = 0;
  transport = new WebSocketTransport(
    'websocket',
    { host: fakeHost(), codec: codecFor(4), supportsBinary: true, sink },
    {
      webSocket: webSocket as unknown as WebSocket,
      socket: new PassThrough(),
      closer: { close: () => void closes++ },
    },
  );
});

const texts = () => sink.packets.map(({ data }) => data);

describe('packets of a WebSocket', () => {
  it('are handed over at the end of the turn, in order', async () => {
    webSocket.read('4one', '4two');
    webSocket.emit('message', Buffer.from([1, 2]), true);
    webSocket.read('4three');
    expect(sink.log).toEqual([]);
    expect(transport.hasUnhandled).toBe(true);
    await turn();
    expect(texts()).toEqual(['one', 'two', Buffer.from([1, 2]), 'three']);
    expect(transport.hasUnhandled).toBe(false);
    webSocket.read('4four');
    await turn();
    expect(texts().at(-1)).toBe('four');
  });

  it('of a flood do not wait: 128 at most', async () => {
    const flood = Array.from({ length: 300 }, (_, n) => `4${n}`);
    webSocket.read(...flood.slice(0, 127));
    expect(sink.packets).toHaveLength(0);
    webSocket.read(flood[127]!);
    expect(sink.packets).toHaveLength(128);
    webSocket.read(...flood.slice(128));
    expect(sink.packets).toHaveLength(256);
    await turn();
    expect(texts()).toEqual(flood.map((text) => text.slice(1)));
  });

  it('are read before the next frame may take their memory', async () => {
    const frame = Buffer.from('4one');
    webSocket.emit('message', frame, false);
    frame.fill(0);
    await turn();
    expect(texts()).toEqual(['one']);
  });

  it.each([
    ['close', [1000, Buffer.from('bye')], 'closed: transport close'],
    ['error', [new Error('torn')], 'closed: transport error (torn)'],
  ])('come before the end that follows them in the same turn: %s', async (event, args, end) => {
    webSocket.read('4one', '4two');
    webSocket.emit(event, ...args);
    const log = ['packet message', 'packet message', end];
    expect(sink.log).toEqual(log);
    webSocket.read('4three');
    await turn();
    expect(sink.log).toEqual(log);
  });

  it('end with a packet that closes', async () => {
    webSocket.read('4one', '1', '4two');
    expect(closes).toBe(0);
    await turn();
    expect(sink.log).toEqual(['packet message', 'closed: transport close']);
    expect(closes).toBe(1);
  });

  it('are handed over early to whom they are for, when another transport takes the place', async () => {
    webSocket.read('4one');
    transport.deliver();
    expect(texts()).toEqual(['one']);
    transport.discard();
    await turn();
    expect(sink.log).toEqual(['packet message']);
  });

  it.each(['discard', 'abort'] as const)('are nobody’s after %s()', async (end) => {
    webSocket.read('4one');
    transport[end]();
    await turn();
    expect(sink.log).toEqual([]);
  });

  it('are nobody’s once a listener has let the transport go', async () => {
    sink.packet = (packet) => {
      sink.log.push(`packet ${packet.type}`);
      transport.discard();
    };
    webSocket.read('4one', '4two');
    await turn();
    expect(sink.log).toEqual(['packet message']);
  });

  it('follow the sink that has taken over in between: an upgrade', async () => {
    const session = new RecordingSink();
    sink.packet = () => void (transport.sink = session);
    webSocket.read('5', '4one');
    await turn();
    expect(session.log).toEqual(['packet message']);
  });

  it('are followed by the end, also when a listener throws at one', () => {
    sink.packet = () => {
      throw new Error('boom');
    };
    webSocket.read('4one');
    expect(() => webSocket.emit('close', 1000, Buffer.alloc(0))).toThrow('boom');
    expect(sink.log).toEqual(['closed: transport close']);
  });
});
