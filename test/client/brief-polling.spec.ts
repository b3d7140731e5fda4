import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PollingTransport } from '../../lib/client/fallback/polling.js';
import { rememberHandshake } from '../../lib/client/handshake.js';

/** A request that is answered by the test. */
class FakeXhr {
  readonly listeners: Record<string, (data?: string) => void> = {};

  constructor(
    readonly method: string,
    readonly uri: string,
  ) {}

  on(event: string, listener: (data?: string) => void): void {
    this.listeners[event] = listener;
  }

  answer(body: string): void {
    this.listeners['data']?.(body);
    this.listeners['success']?.();
  }
}

/** A transport of an open session, whose poll was just answered. */
function setUp({ pingTimeout = 20_000, parks = false } = {}) {
  const socket = { binaryType: 'nodebuffer' };
  rememberHandshake(socket, { sid: 'S', upgrades: [], pingInterval: 25_000, pingTimeout, maxPayload: 1_000_000 });
  const transport = new PollingTransport({ query: { EIO: 4 }, socket, path: '/', hostname: 'localhost', timestampRequests: false, useNativeTimers: false }) as any; // prettier-ignore
  const requests: FakeXhr[] = [];
  transport.request = ({ method = 'GET' } = {}) => {
    const request = new FakeXhr(method, transport.uri());
    requests.push(request);
    return request;
  };
  transport.setTimeoutFn = setTimeout;
  transport.clearTimeoutFn = clearTimeout;
  const state = { parks };
  transport.mayPark = () => state.parks;
  transport.open();
  transport.query.sid = 'S';
  requests[0]!.answer('0{"sid":"S"}');
  /** Milliseconds until the next request. */
  const pause = (): number => {
    const before = requests.length;
    let waited = 0;
    for (; requests.length === before && waited < 5000; waited++) jest.advanceTimersByTime(1);
    return waited;
  };
  return { transport, requests, state, pause, last: () => requests.at(-1)! };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('polling', () => {
  it('is as ever while polls may be parked', () => {
    const { requests, last } = setUp({ parks: true });
    expect(requests.map(({ uri }) => uri)).toEqual([
      'http://localhost/?EIO=4&resume=1',
      'http://localhost/?EIO=4&resume=1&sid=S',
    ]);
    last().answer('4hello');
    expect(requests).toHaveLength(3);
  });

  it('is brief while they may not, with pauses that grow', () => {
    const { requests, pause, last } = setUp();
    const pauses: number[] = [];
    for (let n = 0; n < 6; n++) {
      pauses.push(pause());
      expect(last().uri).toBe('http://localhost/?EIO=4&resume=1&sid=S&wait=0');
      last().answer('6');
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(requests).toHaveLength(7);
  });

  it('asks sooner again when something came', () => {
    const { pause, last } = setUp();
    for (let n = 0; n < 5; n++) {
      pause();
      last().answer('6');
    }
    pause();
    last().answer('4hello');
    expect(pause()).toBe(100);
  });

  it('asks at once when something was sent, and without telling the server of a brief poll', () => {
    const { transport, requests, pause, last } = setUp();
    pause();
    last().answer('6');
    transport.write([{ type: 'message', data: 'hello' }]);
    expect([last().method, last().uri]).toEqual(['POST', 'http://localhost/?EIO=4&resume=1&sid=S']);
    last().answer('ok');
    expect(last().uri).toContain('wait=0');
    expect(requests).toHaveLength(4);
    last().answer('6');
    expect(pause()).toBe(100);
  });

  it('keeps pauses short enough for the heartbeat', () => {
    const { pause, last } = setUp({ pingTimeout: 1000 });
    const pauses: number[] = [];
    for (let n = 0; n < 4; n++) {
      pauses.push(pause());
      last().answer('6');
    }
    expect(pauses).toEqual([100, 200, 250, 250]);
  });

  it('parks the next poll when it may again', () => {
    const { state, pause, last } = setUp();
    state.parks = true;
    expect(pause()).toBe(100);
    expect(last().uri).toBe('http://localhost/?EIO=4&resume=1&sid=S');
  });

  it('does not wait for the end of a pause when the transport is changed', () => {
    const { transport, requests, last } = setUp();
    let isPaused = false;
    transport.pause(() => (isPaused = true));
    expect([requests.length, isPaused]).toEqual([2, false]);
    last().answer('6');
    expect(isPaused).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('says no goodbye after a poll that was cut: the session has ended with it', () => {
    const { transport, requests, last } = setUp({ parks: true });
    transport.on('error', () => transport.close());
    last().listeners['error']!();
    expect(transport.readyState).toBe('closed');
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  it('says goodbye after a message that could not be sent', () => {
    const { transport, requests, last } = setUp({ parks: true });
    transport.on('error', () => transport.close());
    transport.write([{ type: 'message', data: 'hello' }]);
    last().listeners['error']!();
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST', 'POST']);
  });

  it('sends nothing any more when it was closed in a pause', () => {
    const { transport, requests } = setUp();
    transport.close();
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    requests[1]!.answer('ok');
    jest.advanceTimersByTime(5000);
    expect(requests).toHaveLength(2);
  });
});
