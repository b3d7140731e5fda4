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
      delay(client, server, latency, bytesPerSecond);
      delay(server, client, latency, bytesPerSecond);
      client.resume();
    }, 2 * latency);
    client.on('close', () => clearTimeout(timer));
  });
}

/** Passes bytes on when their time has come: one timer for the first that wait, for several would not keep their order. */
function delay(from: Socket, to: Socket, latency: number, bytesPerSecond: number): void {
  const waiting: { readonly at: number; readonly pass: () => void }[] = [];
  let timer: NodeJS.Timeout | null = null;
  let free = 0;
  let inFlight = 0;
  const wait = (): void => {
    timer = waiting.length === 0 ? null : setTimeout(passOn, Math.max(1, waiting[0]!.at - performance.now()));
  };
  const passOn = (): void => {
    const now = performance.now();
    while (waiting.length > 0 && waiting[0]!.at <= now) waiting.shift()!.pass();
    wait();
  };
  const later = (pass: () => void, bytes = 0): void => {
    free = Math.max(free, performance.now()) + (bytes / bytesPerSecond) * 1000;
    waiting.push({ at: free + latency, pass });
    if (timer === null) wait();
  };
  from.on('data', (chunk: Buffer) => {
    inFlight += chunk.length;
    if (inFlight > IN_FLIGHT) from.pause();
    later(() => {
      inFlight -= chunk.length;
      to.write(chunk);
      if (inFlight <= IN_FLIGHT) from.resume();
    }, chunk.length);
  });
  from.on('end', () => later(() => to.end()));
  from.on('close', () => later(() => to.destroy()));
  to.on('close', () => {
    waiting.length = 0;
    if (timer !== null) clearTimeout(timer);
  });
}
