import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import { PollingTransport } from '../../../lib/engine/transports/polling.js';
import type { TransportHost } from '../../../lib/engine/transports/transport.js';
import { FakeRequest, FakeResponse, fakeHost, RecordingSink } from '../support.js';

/* What a balancer does when the node goes away by which a request came: it sends the request again by another node. */

class RelayedRequest extends FakeRequest {
  constructor(
    method: string,
    t: string,
    readonly isRelayed = true,
  ) {
    super(method, {}, { sid: 's', ...(t && { t }) });
  }
}

function setUp() {
  const sink = new RecordingSink();
  const host = fakeHost() as TransportHost;
  const transport = new PollingTransport('polling', { host, codec: codecFor(4), supportsBinary: true, sink });
  const get = (t: string, isRelayed = true) => {
    const response = new FakeResponse();
    transport.handleRequest(new RelayedRequest('GET', t, isRelayed), response);
    return response;
  };
  const post = (t: string, isRelayed = true) => {
    const response = new FakeResponse();
    const request = new RelayedRequest('POST', t, isRelayed);
    transport.handleRequest(request, response);
    return { request, response };
  };
  const send = (data: string) => transport.send([{ type: 'message', data }]);
  return { sink, transport, get, post, send };
}

const CUT_POLL = 'closed: transport error (poll connection closed prematurely)';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('a poll by another node', () => {
  it('that is cut may come again, and gets what is sent then', () => {
    const { get, send, sink, transport } = setUp();
    get('a').cut();
    expect(transport.writable).toBe(false);
    expect(sink.log).toEqual(['drained']);
    const again = get('a');
    send('x');
    expect(again.text).toBe('4x');
    jest.advanceTimersByTime(60_000);
    expect(sink.log).toEqual(['drained', 'drained', 'drained']);
  });

  it('that is cut and does not come again ends the session', () => {
    const { get, sink } = setUp();
    get('a').cut();
    jest.advanceTimersByTime(1_999);
    expect(sink.log).toEqual(['drained']);
    jest.advanceTimersByTime(1);
    expect(sink.log).toEqual(['drained', CUT_POLL]);
  });

  it('that comes again while it is parked takes the place of itself', () => {
    const { get, send, sink } = setUp();
    const first = get('a');
    const again = get('a');
    expect(first.destroyed).toBe(true);
    send('x');
    expect(again.text).toBe('4x');
    expect(sink.log).toEqual(['drained', 'drained', 'drained']);
  });

  it('takes the place of one that came directly, and the other way round', () => {
    const { get, send, sink } = setUp();
    const first = get('a', false);
    get('a', true);
    const third = get('a', false);
    send('x');
    expect(first.destroyed).toBe(true);
    expect(third.text).toBe('4x');
    expect(sink.log).toEqual(['drained', 'drained', 'drained', 'drained']);
  });

  it('that was answered and comes again gets the same answer, and nothing is lost', () => {
    const { get, send, sink } = setUp();
    const first = get('a');
    send('x');
    const again = get('a');
    expect([first.text, again.text]).toEqual(['4x', '4x']);
    const next = get('b');
    send('y');
    expect(next.text).toBe('4y');
    expect(sink.log.filter((line) => line !== 'drained')).toEqual([]);
  });

  it('whose answer is cut gets it again', () => {
    const { get, send, sink } = setUp();
    const first = get('a');
    first.stalled = true;
    send('x');
    first.cut();
    expect(get('a').text).toBe('4x');
    jest.advanceTimersByTime(60_000);
    expect(sink.log.filter((line) => line !== 'drained')).toEqual([]);
  });

  it('whose answer is cut, and which does not come again, ends the session', () => {
    const { get, send, sink } = setUp();
    const first = get('a');
    first.stalled = true;
    send('x');
    first.cut();
    jest.advanceTimersByTime(2_000);
    expect(sink.log.at(-1)).toBe('closed: transport error (poll response was cut)');
  });

  it('gets no answer again that was too large to be kept: the session ends, and nothing is lost in silence', () => {
    const { get, send, sink } = setUp();
    get('a');
    send('x'.repeat(300_000));
    const again = get('a');
    expect(again.status).toBe(400);
    expect(sink.log.at(-1)).toBe('closed: transport error (an answer was lost that is not kept)');
  });

  it('and another one break the protocol, as directly', () => {
    const { get, sink } = setUp();
    get('a');
    expect(get('b').status).toBe(400);
    expect(sink.log.at(-1)).toBe('closed: transport error (overlap from client)');
  });

  it('without a time stamp is no other one', () => {
    const { get, sink } = setUp();
    get('');
    expect(get('').status).toBe(400);
    expect(sink.log.at(-1)).toBe('closed: transport error (overlap from client)');
  });

  it('that comes after the end is refused', () => {
    const { get, transport } = setUp();
    get('a');
    transport.close();
    expect(get('a').status).toBe(400);
  });

  it('has nothing to wait for once the session has ended', () => {
    const { get, sink, transport } = setUp();
    get('a').cut();
    transport.discard();
    jest.advanceTimersByTime(60_000);
    expect(sink.log).toEqual(['drained']);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a poll that came directly', () => {
  it('ends the session when it is cut, as ever', () => {
    const { get, sink } = setUp();
    get('a', false).cut();
    expect(sink.log).toEqual(['drained', CUT_POLL]);
  });

  it('is not answered twice', () => {
    const { get, send } = setUp();
    get('a', false);
    send('x');
    expect(get('a', false).text).toBe('');
  });
});

describe('a POST by another node', () => {
  it('that was taken and comes again is answered, and its packets are not taken again', () => {
    const { post, sink } = setUp();
    const first = post('a');
    first.request.body('4x');
    const again = post('a');
    again.request.body('4x');
    expect([first.response.text, again.response.text]).toEqual(['ok', 'ok']);
    const next = post('b');
    next.request.body('4x');
    expect(sink.log).toEqual(['packet message', 'packet message']);
  });

  it('that was cut may come again', () => {
    const { post, sink } = setUp();
    post('a').request.destroy();
    expect(sink.log).toEqual([]);
    post('a').request.body('4x');
    jest.advanceTimersByTime(60_000);
    expect(sink.log).toEqual(['packet message']);
  });

  it('that was cut and does not come again ends the session', () => {
    const { post, sink } = setUp();
    post('a').request.destroy();
    jest.advanceTimersByTime(2_000);
    expect(sink.log).toEqual(['closed: transport error (data request connection closed prematurely)']);
  });

  it('that comes again before the first is whole takes its place', () => {
    const { post, sink } = setUp();
    const first = post('a');
    first.request.emit('data', Buffer.from('4'));
    const again = post('a');
    again.request.body('4x');
    expect(again.response.text).toBe('ok');
    expect(sink.log).toEqual(['packet message']);
  });

  it('and another one break the protocol, as directly', () => {
    const { post, sink } = setUp();
    post('a');
    expect(post('b').response.status).toBe(400);
    expect(sink.log).toEqual(['closed: transport error (data request overlap from client)']);
  });

  it('that came directly is taken as often as it comes, as ever', () => {
    const { post, sink } = setUp();
    post('a', false).request.body('4x');
    post('a', false).request.body('4x');
    expect(sink.log).toEqual(['packet message', 'packet message']);
  });
});
