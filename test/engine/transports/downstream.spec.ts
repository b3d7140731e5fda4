import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import type { Packet } from '../../../lib/engine/protocol/packet.js';
import { Downstream } from '../../../lib/engine/transports/downstream.js';
import { eventSourceEnvelope } from '../../../lib/engine/transports/eventsource.js';
import { multipartEnvelope } from '../../../lib/engine/transports/multipart.js';
import { FakeRequest, FakeResponse, fakeHost, RecordingSink } from '../support.js';

const END = 'event: end\ndata:\n\n';
const text = (data: string): Packet => ({ type: 'message', data });

function setUp({ resume = true, host = fakeHost(), envelope = eventSourceEnvelope, supportsBinary = true } = {}) {
  const sink = new RecordingSink();
  const transport = new Downstream('eventsource', envelope, { host, codec: codecFor(4), supportsBinary, sink });
  const get = (query: Record<string, string> = {}) => {
    const response = new FakeResponse();
    transport.handleRequest(new FakeRequest('GET', {}, query), response);
    return response;
  };
  const post = (query: Record<string, string> = {}) => {
    const response = new FakeResponse();
    const request = new FakeRequest('POST', {}, query);
    transport.handleRequest(request, response);
    return { request, response };
  };
  /** A whole POST, and its answer. */
  const posted = (seq: number | string, body: string, query: Record<string, string> = {}) => {
    const { request, response } = post({ seq: String(seq), ...query });
    if (!response.writableEnded) request.body(body);
    return response;
  };
  const open = () => get(resume ? { resume: '1' } : {});
  const bodies = () => sink.packets.map(({ data }) => data);
  return { host, sink, transport, get, post, posted, open, bodies };
}

afterEach(() => void jest.useRealTimers());

describe('Downstream, a response', () => {
  it('has its headers and first bytes at once, and its position when resume was asked for', () => {
    const { transport, open, sink } = setUp();
    expect(transport.writable).toBe(false);
    const response = open();
    expect(response.status).toBe(200);
    expect(response.headers).toMatchObject({
      'Content-Type': 'text/event-stream; charset=UTF-8',
      'X-Accel-Buffering': 'no',
      'cache-control': expect.stringContaining('no-transform'),
      'X-Content-Type-Options': 'nosniff',
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
    expect(response.text).toBe(':\n\nevent: seq\ndata: 1\n\n');
    expect(response.writableEnded).toBe(false);
    expect(transport.writable).toBe(true);
    expect(sink.log).toEqual(['drained']);
    expect(setUp({ resume: false }).open().text).toBe(':\n\n');
  });

  it('carries what is sent, in order, and stays open', () => {
    const { transport, open, sink } = setUp({ resume: false });
    const response = open();
    transport.send([text('a'), text('b')]);
    transport.send([{ type: 'ping' }]);
    expect(response.text).toBe(':\n\ndata: 4a\x1e4b\n\ndata: 2\n\n');
    expect(transport.writable).toBe(true);
    expect(sink.log).toEqual(['drained', 'drained', 'drained']);
  });

  it('is not writable from a write that was not taken until it drains', () => {
    const { transport, open, sink } = setUp();
    const response = open();
    response.stalled = true;
    transport.send([text('a')]);
    expect(transport.writable).toBe(false);
    expect(sink.log).toEqual(['drained']);
    response.drain();
    expect(transport.writable).toBe(true);
    expect(sink.log).toEqual(['drained', 'drained']);
  });

  it('takes many small frames in one write, and large ones without a copy', () => {
    const { transport, open } = setUp({ resume: false, envelope: multipartEnvelope });
    const response = open();
    const before = response.written.length;
    transport.send(Array.from({ length: 20 }, (_, i) => (i % 2 ? text(String(i)) : { type: 'message', data: Buffer.from([i]) }))); // prettier-ignore
    expect(response.written.length - before).toBe(1);
    transport.send([text('a'), { type: 'message', data: Buffer.alloc(50_000) }, text('b')]);
    expect(response.written.length - before).toBe(4);
  });

  it('is written the very bytes of a broadcast that others are written', () => {
    const options = { wsPreEncodedFrame: [] };
    const receivers = [setUp(), setUp({ resume: false }), setUp({ supportsBinary: false })];
    const responses = receivers.map(({ open }) => open());
    for (const { transport } of receivers) transport.send([{ type: 'message', data: 'all', options }]);
    const [first, ...others] = responses.map(({ written }) => written.at(-1));
    expect(String(first)).toBe('data: 4all\n\n');
    for (const other of others) expect(other).toBe(first);
  });

  it('shows what it holds back: what the response has, or what is not confirmed', () => {
    const plain = setUp({ resume: false });
    Object.assign(plain.open(), { writableLength: 77 });
    expect(plain.transport.bufferedBytes).toBe(77);
    const counted = setUp();
    Object.assign(counted.open(), { writableLength: 77 });
    counted.transport.send([text('abc')]);
    expect(counted.transport.bufferedBytes).toBe('data: 4abc\n\n'.length);
  });

  it.each(['PUT', 'HEAD', 'DELETE', 'OPTIONS'])('is not what %s gets', (method) => {
    const { transport, open } = setUp();
    open();
    const response = new FakeResponse();
    transport.handleRequest(new FakeRequest(method), response);
    expect(response.status).toBe(405);
    expect(response.headers).toMatchObject({ Allow: 'GET, POST', Connection: 'close' });
    expect(transport.writable).toBe(true);
  });
});

describe('Downstream, resume', () => {
  it('writes again what is not confirmed, and only that', () => {
    const { transport, get, open } = setUp();
    const first = open();
    for (const name of ['a', 'b', 'c']) transport.send([text(name)]);
    first.cut();
    expect(transport.writable).toBe(false);
    const second = get({ ack: '1' });
    expect(second.text).toBe(':\n\nevent: seq\ndata: 2\n\ndata: 4b\n\ndata: 4c\n\n');
    transport.send([text('d')]);
    second.cut();
    expect(get({ ack: '4' }).text).toBe(':\n\nevent: seq\ndata: 5\n\n');
  });

  it('writes again from the last confirmation when a GET tells none', () => {
    const { transport, get, open, posted } = setUp();
    open();
    for (const name of ['a', 'b', 'c']) transport.send([text(name)]);
    posted(1, '', { ack: '2' });
    expect(get().text).toBe(':\n\nevent: seq\ndata: 3\n\ndata: 4c\n\n');
  });

  it('lets a new GET take the place of an open one, which ends', () => {
    const { transport, get, open, sink } = setUp();
    const first = open();
    transport.send([text('a')]);
    const second = get({ ack: '0' });
    expect(first.text.endsWith(END)).toBe(true);
    expect(second.text).toContain('data: 4a');
    transport.send([text('b')]);
    expect(second.text).toContain('data: 4b');
    first.cut();
    expect(transport.writable).toBe(true);
    expect(sink.log.join()).not.toContain('closed');
  });

  it('cuts the replaced one when its client does not read it', () => {
    const { transport, get, open } = setUp();
    const first = open();
    first.stalled = true;
    transport.send([text('a')]);
    const second = get({ ack: '0' });
    expect(first.destroyed).toBe(true);
    expect(transport.writable).toBe(true);
    expect(second.text).toContain('data: 4a');
    first.drain();
    expect(transport.writable).toBe(true);
  });

  it.each(['2', '-1', '', 'x', '1.5', '0x1', '1e0', ' 1', 'NaN', '9007199254740993'])(
    'ends the session by a confirmation of %j when one frame was sent',
    (ack) => {
      for (const method of ['get', 'posted'] as const) {
        const { transport, get, open, posted, sink } = setUp();
        const response = open();
        transport.send([text('a')]);
        const answer = method === 'get' ? get({ ack }) : posted(1, '4x', { ack });
        expect(answer.status).toBe(400);
        expect(sink.log.at(-1)).toBe(`closed: transport error (client confirmed frame ${ack} of 1)`);
        expect(sink.packets).toEqual([]);
        expect(response.text.endsWith(`data: 1\n\n${END}`)).toBe(true);
        expect(get({ ack: '1' }).status).toBe(400);
      }
    },
  );

  it('ends a response by plan after its share of bytes', () => {
    const { transport, get, open, sink } = setUp({ host: fakeHost({ recycleBytes: 200 }) });
    const first = open();
    transport.send([text('a'.repeat(100))]);
    expect(first.writableEnded).toBe(false);
    transport.send([text('b'.repeat(100))]);
    expect(first.text.endsWith(`b\n\n${END}`)).toBe(true);
    expect(transport.writable).toBe(false);
    const second = get({ ack: '2' });
    expect(second.text).toBe(':\n\nevent: seq\ndata: 3\n\n');
    // which has a share of its own
    transport.send([text('c')]);
    expect(second.writableEnded).toBe(false);
    expect(transport.writable).toBe(true);
    expect(sink.log.join()).not.toContain('closed');
  });

  it('ends a response by plan after its time, with the write that comes then', () => {
    jest.useFakeTimers();
    const { transport, open } = setUp({ host: fakeHost({ recycleInterval: 5_000 }) });
    const response = open();
    jest.advanceTimersByTime(4_000);
    transport.send([text('a')]);
    expect(response.writableEnded).toBe(false);
    jest.advanceTimersByTime(1_500);
    transport.send([{ type: 'ping' }]);
    expect(response.text.endsWith(`data: 2\n\n${END}`)).toBe(true);
  });

  it('never recycles the response of a client that does not count', () => {
    const { transport, open } = setUp({ resume: false, host: fakeHost({ recycleBytes: 10 }) });
    const response = open();
    transport.send([text('a'.repeat(1_000))]);
    expect(response.writableEnded).toBe(false);
  });

  it('pauses when too much is not confirmed, and goes on with the confirmation', () => {
    const { transport, open, posted, sink } = setUp({ host: fakeHost({ maxUnacknowledgedBytes: 100 }) });
    open();
    transport.send([text('a'.repeat(60))]);
    expect(transport.writable).toBe(true);
    transport.send([text('b'.repeat(60))]);
    expect(transport.writable).toBe(false);
    sink.log.length = 0;
    expect(posted(1, '', { ack: '1' }).status).toBe(200);
    expect(transport.writable).toBe(true);
    expect(sink.log).toEqual(['drained']);
  });

  it('stays paused by a new GET that confirms nothing', () => {
    const { transport, get, open } = setUp({ host: fakeHost({ maxUnacknowledgedBytes: 10 }) });
    open();
    transport.send([text('a'.repeat(60))]);
    get({ ack: '0' });
    expect(transport.writable).toBe(false);
    get({ ack: '1' });
    expect(transport.writable).toBe(true);
  });

  it('pauses at 16,384 frames that are not confirmed, however small they are', () => {
    const host = fakeHost({ maxUnacknowledgedBytes: Infinity, recycleBytes: Infinity });
    const { transport, open, posted } = setUp({ host });
    open();
    for (let i = 1; i < 16_384; i++) transport.send([text('')]);
    expect(transport.writable).toBe(true);
    transport.send([text('')]);
    expect(transport.writable).toBe(false);
    posted(1, '', { ack: '1' });
    expect(transport.writable).toBe(true);
  });

  it('cuts an ended response that nobody reads when its time is over', () => {
    jest.useFakeTimers();
    const { transport, open, sink } = setUp();
    const response = open();
    response.stalled = true;
    transport.send([text('a')]);
    transport.nudge();
    expect(response.writableEnded).toBe(true);
    jest.advanceTimersByTime(64_000);
    expect(response.destroyed).toBe(false);
    jest.advanceTimersByTime(1_000);
    expect(response.destroyed).toBe(true);
    expect(sink.log.join()).toContain('never confirmed');
  });

  it('keeps one ended response that nobody reads: the next GET cuts it', () => {
    const { transport, get, open } = setUp();
    const responses = [open()];
    for (let i = 0; i < 5; i++) {
      responses.at(-1)!.stalled = true;
      transport.send([text('a')]);
      transport.nudge();
      responses.push(get({ ack: '0' }));
    }
    expect(responses.map(({ destroyed }) => destroyed)).toEqual([true, true, true, true, true, false]);
  });

  it('leaves an ended response alone that has left whole', () => {
    const { transport, get, open, host } = setUp();
    const response = open();
    transport.nudge();
    expect(host.unread.head).toBe(null);
    get({ ack: '0' });
    expect(response.destroyed).toBe(false);
  });
});

describe('Downstream, the first sign of the client', () => {
  it.each<[string, (wired: ReturnType<typeof setUp>) => unknown]>([
    ['a POST', ({ posted }) => posted(1, '')],
    ['a second GET', ({ get }) => get({ ack: '0' })],
  ])('is %s', (_what, sign) => {
    jest.useFakeTimers();
    const wired = setUp();
    wired.open();
    sign(wired);
    jest.advanceTimersByTime(60_000);
    expect(wired.sink.log.join()).not.toContain('closed');
  });

  it('is awaited for 10 s, then the session ends', () => {
    jest.useFakeTimers();
    const { transport, open, sink } = setUp();
    const response = open();
    transport.send([text('a')]);
    jest.advanceTimersByTime(9_900);
    expect(sink.log.join()).not.toContain('closed');
    jest.advanceTimersByTime(200);
    expect(sink.log.at(-1)).toBe('closed: transport error (the client never confirmed its stream)');
    expect(response.text.endsWith(`data: 1\n\n${END}`)).toBe(true);
  });

  it('is not awaited after the end, nor of a client that does not count', () => {
    jest.useFakeTimers();
    const ended = setUp();
    ended.open();
    ended.transport.discard();
    const plain = setUp({ resume: false });
    plain.open();
    jest.advanceTimersByTime(60_000);
    expect(ended.sink.log).toEqual(['drained']);
    expect(plain.sink.log).toEqual(['drained']);
  });
});

describe('Downstream, POSTs that are counted', () => {
  it('are applied in order, once each', () => {
    const { open, posted, bodies } = setUp();
    open();
    for (const [seq, body] of [
      [1, '4a'],
      [2, '4b\x1e4c'],
      [2, '4b\x1e4c'],
      [1, '4a'],
      [3, '4d'],
      [3, '4d'],
    ] as const) {
      const answer = posted(seq, body);
      expect([answer.status, answer.text]).toEqual([200, 'ok']);
    }
    expect(bodies()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('may be empty', () => {
    const { open, posted, sink } = setUp();
    open();
    expect(posted(1, '').text).toBe('ok');
    expect(posted(2, '4a').text).toBe('ok');
    expect(sink.packets).toHaveLength(1);
  });

  it.each(['3', '0', '-1', '', 'x', '2.0', '0x2', '1e1'])('end the session when number %j comes after 1', (seq) => {
    const { open, posted, bodies, sink } = setUp();
    open();
    posted(1, '4a');
    expect(posted(seq, '4b').status).toBe(400);
    expect(sink.log.at(-1)).toBe(`closed: transport error (POST ${seq} after 1)`);
    expect(bodies()).toEqual(['a']);
  });

  it('end the session without a number', () => {
    const { open, post, sink } = setUp();
    open();
    expect(post().response.status).toBe(400);
    expect(sink.log.at(-1)).toBe('closed: transport error (POST undefined after 0)');
  });

  it('that were applied are read to their end, within the limits, one at a time', () => {
    const { host, open, post, posted, transport } = setUp();
    open();
    posted(1, '4a');
    const first = post({ seq: '1' });
    first.request.emit('data', Buffer.from('4a'));
    expect(host.pendingUpstreamBytes).toBe(2);
    expect(first.response.headersSent).toBe(false);
    const second = post({ seq: '1' });
    expect(first.request.destroyed).toBe(true);
    second.request.emit('data', Buffer.alloc(101));
    expect(second.response.status).toBe(413);
    const third = post({ seq: '1' });
    third.request.emit('data', Buffer.from('4'));
    transport.discard();
    expect(third.request.destroyed).toBe(true);
    expect(host.pendingUpstreamBytes).toBe(0);
  });

  it('take the place of the same one while it is open', () => {
    const { open, post, posted, bodies } = setUp();
    open();
    const stuck = post({ seq: '1' });
    stuck.request.emit('data', Buffer.from('4ha'));
    expect(posted(1, '4half no more').text).toBe('ok');
    expect(stuck.request.destroyed).toBe(true);
    stuck.request.emit('data', Buffer.from('lf'));
    stuck.request.emit('end');
    expect(bodies()).toEqual(['half no more']);
    expect(stuck.response.headersSent).toBe(false);
  });

  it('leave the open one alone when they are older', () => {
    const { open, post, posted, bodies } = setUp();
    open();
    posted(1, '4a');
    const { request, response } = post({ seq: '2' });
    expect(posted(1, '4a').text).toBe('ok');
    request.body('4b');
    expect(response.text).toBe('ok');
    expect(bodies()).toEqual(['a', 'b']);
  });

  it('that are cut may be sent again', () => {
    const { open, post, posted, bodies, host, sink } = setUp();
    open();
    const cut = post({ seq: '1' });
    cut.request.emit('data', Buffer.from('4a'));
    cut.request.emit('close');
    expect(host.pendingUpstreamBytes).toBe(0);
    expect(posted(1, '4a').text).toBe('ok');
    expect(bodies()).toEqual(['a']);
    expect(sink.log.join()).not.toContain('closed');
  });

  it('that were refused for their size keep their number', () => {
    const { open, posted, bodies } = setUp();
    open();
    expect(posted(1, `4${'x'.repeat(200)}`).status).toBe(413);
    expect(posted(1, '4small').text).toBe('ok');
    expect(bodies()).toEqual(['small']);
  });

  it('end the session by what cannot be read', () => {
    const { open, posted, sink } = setUp();
    open();
    expect(posted(1, '4a\x1ex').status).toBe(400);
    expect(sink.log).toEqual(['drained', 'packet message', 'packet error']);
  });

  it('confirm before they are applied, and are refused when that ends the session', () => {
    const { transport, open, posted, sink, bodies } = setUp({ host: fakeHost({ maxUnacknowledgedBytes: 10 }) });
    open();
    transport.send([text('a'.repeat(20))]);
    sink.drained = () => transport.discard();
    expect(posted(1, '4x', { ack: '1' }).status).toBe(400);
    expect(bodies()).toEqual([]);
  });
});

describe('Downstream, without resume', () => {
  it('ends with its response', () => {
    const { open, sink, transport } = setUp({ resume: false });
    open().cut();
    expect(transport.writable).toBe(false);
    expect(sink.log.at(-1)).toBe('closed: transport error (stream closed prematurely)');
  });

  it('ends with a second GET', () => {
    const { open, get, sink } = setUp({ resume: false });
    const first = open();
    expect(get().status).toBe(400);
    expect(first.text.endsWith(`data: 1\n\n${END}`)).toBe(true);
    expect(sink.log.at(-1)).toBe('closed: transport error (overlap from client)');
  });

  it('may come back after a planned end, but has lost what an ended response did not deliver', () => {
    const one = setUp({ resume: false });
    one.open();
    one.transport.nudge();
    expect(one.get().text).toBe(':\n\n');
    expect(one.transport.writable).toBe(true);
    const other = setUp({ resume: false });
    const response = other.open();
    response.stalled = true;
    other.transport.send([text('a')]);
    other.transport.nudge();
    response.cut();
    expect(other.sink.log.at(-1)).toBe('closed: transport error (stream closed prematurely)');
  });

  it('counts no POSTs: an overlap or a cut ends it, an empty one cannot be read', () => {
    const overlap = setUp({ resume: false });
    overlap.open();
    overlap.post();
    expect(overlap.post().response.status).toBe(400);
    expect(overlap.sink.log.at(-1)).toContain('data request overlap');
    const cut = setUp({ resume: false });
    cut.open();
    cut.post().request.emit('close');
    expect(cut.sink.log.at(-1)).toContain('data request connection closed prematurely');
    const empty = setUp({ resume: false });
    empty.open();
    const { request, response } = empty.post();
    request.body('');
    expect(response.status).toBe(400);
    expect(empty.sink.log.at(-1)).toBe('packet error');
  });
});

describe('Downstream, its end', () => {
  it('is told at once when a response is open', () => {
    const { transport, open, sink, get } = setUp();
    const response = open();
    transport.close();
    expect(response.text).toBe(`:\n\nevent: seq\ndata: 1\n\ndata: 1\n\n${END}`);
    expect(sink.log.at(-1)).toBe('closed: transport close');
    expect(get().status).toBe(400);
    transport.close();
    expect(sink.log.filter((line) => line.startsWith('closed'))).toHaveLength(1);
  });

  it('is told once, and ends the response, when it came with what was sent', () => {
    const { transport, open, sink } = setUp();
    const response = open();
    expect(transport.carriesClose).toBe(true);
    transport.send([text('a'), { type: 'close' }]);
    transport.close();
    expect(response.text).toBe(`:\n\nevent: seq\ndata: 1\n\ndata: 4a\x1e1\n\n${END}`);
    expect(sink.log).toEqual(['drained', 'drained', 'closed: transport close']);
  });

  it('is not told again when the response that told it has had its share', () => {
    const { transport, open, sink } = setUp({ host: fakeHost({ recycleBytes: 10 }) });
    const response = open();
    transport.send([text('a'), { type: 'close' }]);
    expect(response.writableEnded).toBe(true);
    transport.close();
    expect(sink.log.at(-1)).toBe('closed: transport close');
  });

  it('is told by the next response when none is open, after what was sent', () => {
    const { transport, get, open, sink } = setUp();
    const first = open();
    transport.send([text('a')]);
    first.cut();
    transport.close();
    expect(sink.log.join()).not.toContain('closed');
    const second = get({ ack: '0' });
    expect(second.text).toBe(`:\n\nevent: seq\ndata: 1\n\ndata: 4a\n\ndata: 1\n\n${END}`);
    expect(sink.log.at(-1)).toBe('closed: transport close');
  });

  it('comes after 30 s when no response does', () => {
    jest.useFakeTimers();
    const { transport, open, posted, sink } = setUp();
    const response = open();
    posted(1, '');
    response.cut();
    transport.close();
    jest.advanceTimersByTime(29_000);
    expect(sink.log.join()).not.toContain('closed');
    jest.advanceTimersByTime(1_100);
    expect(sink.log.at(-1)).toBe('closed: transport close');
  });

  it('by discard is silent, with and without a response', () => {
    for (const withResponse of [true, false]) {
      const { transport, open, post, sink } = setUp();
      const response = open();
      const { request } = post({ seq: '1' });
      if (!withResponse) response.cut();
      transport.discard();
      expect(response.text.endsWith(END)).toBe(withResponse);
      expect(request.destroyed).toBe(true);
      expect(transport.writable).toBe(false);
      expect(transport.bufferedBytes).toBe(0);
      transport.discard();
      expect(sink.log.join()).not.toContain('closed');
    }
  });

  it('by the client is told to its response', () => {
    const { open, posted, sink } = setUp();
    const response = open();
    expect(posted(1, '1\x1e4late').text).toBe('ok');
    expect(response.text).toBe(`:\n\nevent: seq\ndata: 1\n\ndata: 1\n\n${END}`);
    expect(sink.log.at(-1)).toBe('closed: transport close');
    expect(sink.packets).toEqual([]);
  });

  it('is not the nudge, which ends the response only', () => {
    const { transport, get, open, sink } = setUp();
    transport.nudge();
    const response = open();
    transport.nudge();
    transport.nudge();
    expect(response.text).toBe(`:\n\nevent: seq\ndata: 1\n\n${END}`);
    expect(transport.writable).toBe(false);
    expect(get({ ack: '0' }).text).toBe(':\n\nevent: seq\ndata: 1\n\n');
    expect(sink.log.join()).not.toContain('closed');
  });
});
