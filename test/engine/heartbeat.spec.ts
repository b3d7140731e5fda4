import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Deadlines } from '../../lib/engine/deadlines.js';
import { Heartbeat, type Heartbeating } from '../../lib/engine/heartbeat.js';

describe('Heartbeat', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const setUp = (protocol: 3 | 4) => {
    const heartbeat = new Heartbeat(new Deadlines(), { pingInterval: 1000, pingTimeout: 500 });
    const log: string[] = [];
    const session: Heartbeating = {
      protocol,
      sendPing: () => {
        log.push('ping');
        heartbeat.pinged(pulse);
      },
      pingTimedOut: () => log.push('timeout'),
    };
    const pulse = heartbeat.start(session);
    return { heartbeat, pulse, log };
  };

  it('revision 4: pings after the interval, and again an interval after the pong', () => {
    const { heartbeat, pulse, log } = setUp(4);
    jest.advanceTimersByTime(1010);
    expect(log).toEqual(['ping']);
    jest.advanceTimersByTime(200);
    heartbeat.beat(pulse);
    jest.advanceTimersByTime(900);
    expect(log).toEqual(['ping']);
    jest.advanceTimersByTime(110);
    expect(log).toEqual(['ping', 'ping']);
  });

  it('revision 4: times out when no pong comes', () => {
    const { log } = setUp(4);
    jest.advanceTimersByTime(1480);
    expect(log).toEqual(['ping']);
    jest.advanceTimersByTime(30);
    expect(log).toEqual(['ping', 'timeout']);
    jest.advanceTimersByTime(10_000);
    expect(log).toEqual(['ping', 'timeout']);
  });

  it('revision 4: other packets extend the wait for the pong once', () => {
    const { heartbeat, pulse, log } = setUp(4);
    jest.advanceTimersByTime(1400);
    heartbeat.heard(pulse);
    jest.advanceTimersByTime(400);
    heartbeat.heard(pulse);
    expect(log).toEqual(['ping']);
    jest.advanceTimersByTime(200);
    expect(log).toEqual(['ping', 'timeout']);
  });

  it('revision 3: waits for pings of the client, for interval and timeout together', () => {
    const { heartbeat, pulse, log } = setUp(3);
    jest.advanceTimersByTime(1400);
    heartbeat.beat(pulse);
    heartbeat.heard(pulse);
    jest.advanceTimersByTime(1400);
    expect(log).toEqual([]);
    jest.advanceTimersByTime(110);
    expect(log).toEqual(['timeout']);
  });

  it('is silent after stop()', () => {
    for (const protocol of [3, 4] as const) {
      const { heartbeat, pulse, log } = setUp(protocol);
      heartbeat.stop(pulse);
      jest.advanceTimersByTime(10_000);
      expect(log).toEqual([]);
    }
  });
});
