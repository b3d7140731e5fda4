import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { gunzipSync } from 'node:zlib';
import { once } from 'node:events';
import { codecFor, type ProtocolVersion } from '../../../lib/engine/protocol/codec.js';
import type { TransportHost } from '../../../lib/engine/transports/transport.js';
import { PollingTransport } from '../../../lib/engine/transports/polling.js';
import { FakeRequest, FakeResponse, fakeHost, RecordingSink } from '../support.js';

function setUp({
  host = fakeHost(),
  version = 4 as ProtocolVersion,
  supportsBinary = true,
  headers = {},
  query = {} as Record<string, string>,
} = {}) {
  const sink = new RecordingSink();
  const transport = new PollingTransport('polling', {
    host: host as TransportHost,
    codec: codecFor(version),
    supportsBinary,
    sink,
  });
  const get = (asked = query) => {
    const response = new FakeResponse();
    transport.handleRequest(new FakeRequest('GET', headers, asked), response);
    return response;
  };
  const post = (requestHeaders: Record<string, string> = {}) => {
    const response = new FakeResponse();
    const request = new FakeRequest('POST', requestHeaders);
    transport.handleRequest(request, response);
    return { request, response };
  };
  return { host, sink, transport, get, post };
}

describe('polling, downstream', () => {
  afterEach(() => void jest.useRealTimers());

  it('is writable while a GET is parked, and answers it with one payload', () => {
    const { transport, get, sink } = setUp();
    expect(transport.writable).toBe(false);
    const response = get();
    expect(transport.writable).toBe(true);
    transport.send([{ type: 'message', data: 'a€' }, { type: 'ping' }]);
    expect(response.status).toBe(200);
    expect(response.text).toBe('4a€\x1e2');
    expect(response.headers).toEqual({
      'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Length': 7,
      'cache-control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    expect(transport.writable).toBe(false);
    expect(sink.log).toEqual(['drained', 'drained']);
  });

  it('ends the session when a second GET comes while one is parked', () => {
    const { get, sink } = setUp();
    const first = get();
    const second = get();
    expect(second.status).toBe(400);
    expect(first.text).toBe('1');
    expect(sink.log).toEqual(['drained', 'closed: transport error (overlap from client)']);
  });

  it('ends the session when a parked GET is cut, and when an answer is', () => {
    const parked = setUp();
    parked.get().cut();
    expect(parked.sink.log.at(-1)).toBe('closed: transport error (poll connection closed prematurely)');
    const answered = setUp();
    const response = answered.get();
    response.stalled = true;
    answered.transport.send([{ type: 'noop' }]);
    response.cut();
    expect(answered.sink.log.at(-1)).toBe('closed: transport error (poll response was cut)');
  });

  it('keeps one answer that its client does not read: a GET before its end breaks the protocol', () => {
    const { transport, get, sink } = setUp();
    const first = get();
    first.stalled = true;
    transport.send([{ type: 'message', data: 'x'.repeat(50) }]);
    expect(transport.bufferedBytes).toBe(51);
    const second = get();
    expect([second.status, second.headers['Connection']]).toEqual([400, 'close']);
    expect(sink.log.at(-1)).toBe('closed: transport error (overlap from client)');
    expect(first.destroyed).toBe(true);
    expect(transport.bufferedBytes).toBe(0);
  });

  it('takes a GET that comes after the whole answer was read', () => {
    const { transport, get, host } = setUp();
    const first = get();
    first.stalled = true;
    transport.send([{ type: 'noop' }]);
    first.drain();
    expect(get().status).toBe(0);
    expect(transport.writable).toBe(true);
    expect(host.unread.head).toBe(null);
  });

  it('cuts an answer that is not read when its time is over, whether the session is there or not', () => {
    jest.useFakeTimers();
    for (const ends of [false, true]) {
      const { transport, get } = setUp();
      const response = get();
      response.stalled = true;
      transport.send([{ type: 'noop' }]);
      if (ends) transport.discard();
      jest.advanceTimersByTime(64_000);
      expect(response.destroyed).toBe(false);
      jest.advanceTimersByTime(1_000);
      expect(response.destroyed).toBe(true);
    }
  });

  it('cuts it at once when the client was given up', () => {
    const { transport, get } = setUp();
    const response = get();
    response.stalled = true;
    transport.send([{ type: 'noop' }]);
    transport.abort();
    expect(response.destroyed).toBe(true);
  });

  it('finishes a parked GET when it is nudged, and does nothing without one', () => {
    const { transport, get } = setUp();
    transport.nudge();
    const response = get();
    transport.nudge();
    expect(response.text).toBe('6');
    expect(transport.writable).toBe(false);
  });

  it('sends binary as octets to revision 3 clients that take it', () => {
    const { transport, get } = setUp({ version: 3 });
    const response = get();
    transport.send([{ type: 'message', data: Buffer.from([1]) }]);
    expect(response.headers['Content-Type']).toBe('application/octet-stream');
    expect(Buffer.concat(response.chunks).toString('hex')).toBe('0102ff0401');
  });

  it('compresses what is long enough, if the client can read it and no packet forbids it', async () => {
    const host = fakeHost({ httpCompression: { threshold: 10 } });
    const { transport, get } = setUp({ host, headers: { 'accept-encoding': 'gzip' } });
    const response = get();
    transport.send([{ type: 'message', data: 'x'.repeat(50) }]);
    await once(response, 'finish');
    expect(response.headers['Content-Encoding']).toBe('gzip');
    expect(gunzipSync(Buffer.concat(response.chunks)).toString()).toBe('4' + 'x'.repeat(50));
    const short = get();
    transport.send([{ type: 'message', data: 'x' }]);
    expect(short.text).toBe('4x');
    const forbidden = get();
    transport.send([{ type: 'message', data: 'x'.repeat(50), options: { compress: false } }]);
    expect(forbidden.headers['Content-Encoding']).toBeUndefined();
    const { transport: other, get: plainGet } = setUp({ host, headers: { 'accept-encoding': 'br' } });
    const plain = plainGet();
    other.send([{ type: 'message', data: 'x'.repeat(50) }]);
    expect(plain.headers['Content-Length']).toBe(51);
  });

  it('compresses no further for a client that is gone', async () => {
    const host = fakeHost({ httpCompression: { threshold: 10, level: 0 } });
    const { transport, get, sink } = setUp({ host, headers: { 'accept-encoding': 'gzip' } });
    const response = get();
    transport.send([{ type: 'message', data: 'x'.repeat(5_000_000) }]);
    const { write } = response;
    response.write = function cutting(this: FakeResponse, chunk) {
      this.cut();
      return write.call(this, chunk);
    };
    // one that begins later, and whose client stays, has it all
    const later = setUp({ host, headers: { 'accept-encoding': 'gzip' } });
    const whole = later.get();
    const finished = once(whole, 'finish');
    later.transport.send([{ type: 'message', data: 'x'.repeat(5_000_000) }]);
    await finished;
    expect(whole.chunks.length).toBeGreaterThan(1);
    expect(response.chunks).toHaveLength(1);
    expect(response.writableEnded).toBe(false);
    expect(sink.log.at(-1)).toBe('closed: transport error (poll response was cut)');
  });

  it('closes through a parked GET at once', () => {
    const { transport, get, sink } = setUp();
    const response = get();
    transport.close();
    expect(response.text).toBe('1');
    expect(sink.log.at(-1)).toBe('closed: transport close');
  });

  it('has told of the close when it was among what was sent, which our client alone understands', () => {
    const stock = setUp();
    stock.get();
    expect(stock.transport.carriesClose).toBe(false);
    const { transport, get, sink } = setUp({ query: { resume: '1' } });
    expect(transport.carriesClose).toBe(false);
    const response = get();
    expect(transport.carriesClose).toBe(true);
    transport.send([{ type: 'message', data: 'a' }, { type: 'close' }]);
    transport.close();
    expect(response.text).toBe('4a\x1e1');
    expect(sink.log).toEqual(['drained', 'drained', 'closed: transport close']);
    expect(get().status).toBe(400);
  });

  it('closes through the next GET when none is parked, for up to 30 s', () => {
    jest.useFakeTimers();
    const { transport, get, sink } = setUp();
    transport.close();
    transport.close();
    expect(sink.log).toEqual([]);
    expect(get().text).toBe('6\x1e1');
    expect(sink.log.at(-1)).toBe('closed: transport close');
    const gone = setUp();
    gone.transport.close();
    jest.advanceTimersByTime(30_000);
    expect(gone.sink.log).toEqual(['closed: transport close']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('answers what is parked when it is discarded, and is silent then', () => {
    const { transport, get, post, sink } = setUp();
    const response = get();
    const { request } = post();
    sink.log.length = 0;
    transport.discard();
    expect(response.text).toBe('1');
    expect(request.destroyed).toBe(true);
    expect(get().status).toBe(400);
    expect(sink.log).toEqual([]);
  });

  it('asks for the connection to be closed while the engine ends', () => {
    const host = fakeHost();
    const { transport, get } = setUp({ host });
    const response = get();
    host.closing = true;
    transport.discard();
    expect(response.headers['Connection']).toBe('close');
  });

  it.each(['PUT', 'DELETE', 'HEAD', 'PATCH'])('answers %s with 405', (method) => {
    const { transport, sink } = setUp();
    const response = new FakeResponse();
    transport.handleRequest(new FakeRequest(method), response);
    expect(response.status).toBe(405);
    expect(response.headers).toMatchObject({ Allow: 'GET, POST', Connection: 'close' });
    expect(sink.log).toEqual([]);
  });
});

describe('polling, briefly', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  /** A session that has its handshake. */
  function open() {
    const all = setUp();
    all.get({ resume: '1' });
    all.transport.send([{ type: 'open', data: '{}' }]);
    all.sink.log.length = 0;
    return all;
  }

  it('answers with a noop at the end of the turn when there is nothing to send', async () => {
    const { get, transport, sink } = open();
    const response = get({ sid: 'S', resume: '1', wait: '0' });
    // what the session has to send, it sends in this turn
    expect([transport.writable, response.status]).toEqual([true, 0]);
    await turn();
    expect([response.status, response.text]).toEqual([200, '6']);
    expect(transport.writable).toBe(false);
    expect(sink.log).toEqual(['drained']);
  });

  it('answers with what there is, and not twice', async () => {
    const { get, transport } = open();
    const response = get({ sid: 'S', resume: '1', wait: '0' });
    transport.send([{ type: 'message', data: 'hello' }]);
    const parked = get({ sid: 'S' });
    await turn();
    expect(response.text).toBe('4hello');
    expect(parked.status).toBe(0);
    transport.discard();
  });

  it('closes through a brief poll', async () => {
    const { get, transport, sink } = open();
    transport.close();
    expect(get({ sid: 'S', resume: '1', wait: '0' }).text).toBe('6\x1e1');
    await turn();
    expect(sink.log.at(-1)).toBe('closed: transport close');
  });

  it.each(['1', '', '00', '-0', 'x', '0x0'])('refuses wait=%p, and nothing else comes of it', async (wait) => {
    const { get, sink, transport } = open();
    const parked = get({ sid: 'S' });
    const response = get({ sid: 'S', resume: '1', wait });
    expect([response.status, response.text]).toEqual([400, '']);
    await turn();
    expect(parked.status).toBe(0);
    expect(sink.log).toEqual(['drained']);
    transport.discard();
  });

  it.each(['0', 'x'])('means nothing by wait=%p without resume', async (wait) => {
    const { get, transport } = open();
    const response = get({ sid: 'S', wait });
    await turn();
    expect(response.status).toBe(0);
    transport.send([{ type: 'message', data: 'now' }]);
    expect(response.text).toBe('4now');
  });

  it('means nothing by it in the handshake', async () => {
    const { get, transport } = setUp();
    const response = get({ resume: '1', wait: 'x' });
    await turn();
    expect(response.status).toBe(0);
    transport.discard();
  });
});

describe('polling, upstream', () => {
  it('reads a POST in pieces, cut anywhere, and answers ok', () => {
    const { post, sink, host } = setUp();
    const { request, response } = post({ 'content-type': 'text/plain;charset=UTF-8' });
    const body = Buffer.from('4€\x1e2probe');
    request.body(body.subarray(0, 2), body.subarray(2));
    expect(sink.packets).toEqual([
      { type: 'message', data: '€' },
      { type: 'ping', data: 'probe' },
    ]);
    expect([response.status, response.text, response.headers['Content-Type']]).toEqual([200, 'ok', 'text/html']);
    expect(host.pendingUpstreamBytes).toBe(0);
  });

  it('takes one POST after the other, and ends the session when two overlap', () => {
    const { post, sink } = setUp();
    post().request.body('4a');
    post().request.body('4b');
    expect(sink.packets.map(({ data }) => data)).toEqual(['a', 'b']);
    const first = post();
    const second = post();
    expect(second.response.status).toBe(400);
    expect(sink.log.at(-1)).toBe('closed: transport error (data request overlap from client)');
    expect(first.request.destroyed).toBe(true);
  });

  it('answers 413 above the limit, by Content-Length or as it comes, and the session lives', () => {
    const { post, sink, host } = setUp();
    const announced = post({ 'content-length': '101' });
    expect(announced.response.status).toBe(413);
    const chunked = post();
    chunked.request.emit('data', Buffer.alloc(60));
    chunked.request.emit('data', Buffer.alloc(60));
    chunked.request.emit('data', Buffer.alloc(60));
    expect(chunked.response.status).toBe(413);
    expect(chunked.response.headers['Connection']).toBe('close');
    const exact = post();
    exact.request.body('4' + 'x'.repeat(99));
    expect(exact.response.status).toBe(200);
    expect(sink.log).toEqual(['packet message']);
    expect(host.exceeded).toContain('maxHttpBufferSize');
    expect(host.pendingUpstreamBytes).toBe(0);
  });

  it('answers 503 when all bodies together are too much', () => {
    const host = fakeHost({ maxPendingUpstreamBytes: 50 });
    const first = setUp({ host }).post();
    first.request.emit('data', Buffer.alloc(40));
    const second = setUp({ host }).post();
    second.request.emit('data', Buffer.alloc(40));
    expect(second.response.status).toBe(503);
    expect(host.pendingUpstreamBytes).toBe(40);
    first.request.destroy();
    expect(host.pendingUpstreamBytes).toBe(0);
    expect(host.exceeded).toEqual(['maxPendingUpstreamBytes']);
  });

  it('refuses octets in revision 4, and reads them in revision 3', () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const four = setUp();
    expect(four.post(headers).response.status).toBe(400);
    expect(four.sink.log).toEqual(['closed: transport error (invalid content type)']);
    const three = setUp({ version: 3 });
    three.post(headers).request.body(Buffer.from('0102ff0401', 'hex'));
    expect(three.sink.packets).toEqual([{ type: 'message', data: Buffer.from([1]) }]);
  });

  it('refuses bytes that are not UTF-8', () => {
    const { post, sink } = setUp();
    const { request, response } = post();
    request.body(Buffer.from([0x34, 0xc3, 0x28]));
    expect(response.status).toBe(400);
    expect(sink.log).toEqual(['closed: parse error (request body is not UTF-8)']);
  });

  it('ends the session when a POST is cut', () => {
    const { post, sink, host } = setUp();
    const { request } = post();
    request.emit('data', Buffer.from('4a'));
    request.destroy();
    expect(sink.log).toEqual(['closed: transport error (data request connection closed prematurely)']);
    expect(host.pendingUpstreamBytes).toBe(0);
  });

  it('ends with a close packet, answers the parked GET, and reads nothing after it', () => {
    const { get, post, sink } = setUp();
    const parked = get();
    const { request, response } = post();
    request.body('4a\x1e1\x1e4b');
    expect(sink.log).toEqual(['drained', 'packet message', 'closed: transport close']);
    expect(parked.text).toBe('6');
    expect(response.text).toBe('ok');
  });
});
