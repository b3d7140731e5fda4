import { connect, type Socket } from 'node:net';
import { ignoreError, startTcpProxy, type ProxyOptions, type TestProxy } from './proxy.js';

/** Options of {@link slowProxy}. */
export interface SlowProxyOptions extends ProxyOptions {
  /** Milliseconds that bytes are under way, each way: half of a round trip. Default 50. */
  latency?: number;
  /** Bytes that pass in a second, each way and for each connection. Default: no limit. */
  bytesPerSecond?: number;
}

/** Bytes under way above which nothing more is taken. */
const IN_FLIGHT = 1024 * 1024;

/** A network that is far away, or narrow. It delays bytes of any protocol. */
export function slowProxy(options: SlowProxyOptions): Promise<TestProxy> {
  const { latency = 50, bytesPerSecond = Infinity } = options;
  return startTcpProxy(options, (client, origin) => {
    // a connection takes a round trip before the first byte
    client.pause();
    const timer = setTimeout(() => {
      const server = connect(origin);
      server.on('error', ignoreError);
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      delay(client, server, latency, bytesPerSecond);
      delay(server, client, latency, bytesPerSecond);
    }, 2 * latency);
    client.on('close', () => clearTimeout(timer));
  });
}

function delay(from: Socket, to: Socket, latency: number, bytesPerSecond: number): void {
  let free = 0;
  let inFlight = 0;
  const timers = new Set<NodeJS.Timeout>();
  const later = (time: number, callback: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      callback();
    }, time - performance.now());
    timers.add(timer);
  };
  from.on('data', (chunk: Buffer) => {
    free = Math.max(free, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
    inFlight += chunk.length;
    if (inFlight > IN_FLIGHT) from.pause();
    later(free + latency, () => {
      inFlight -= chunk.length;
      to.write(chunk);
      if (inFlight <= IN_FLIGHT) from.resume();
    });
  });
  from.on('end', () => later(Math.max(free, performance.now()) + latency, () => to.end()));
  to.on('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
}
