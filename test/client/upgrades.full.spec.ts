import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { transports, type ClientTransportName } from 'nestwire/client';
import { slowProxy, type TestProxy } from 'nestwire/testing';
import { io } from 'socket.io-client';
import { startLive, until, type Live } from './support.js';

/*
 * Upgrades while messages flow both ways, again and again, at every moment of the traffic: none may be lost, doubled or
 * overtaken by another.
 */

const PATHS: [ClientTransportName, ClientTransportName][] = [
  ['polling', 'websocket'],
  ['polling', 'eventsource'],
  ['polling', 'multipart'],
  ['eventsource', 'websocket'],
  ['multipart', 'websocket'],
];
const TIMES = Number(process.env.UPGRADES ?? 100);
const COUNT = 300;
const all = Array.from({ length: COUNT }, (_, n) => n);

let live: Live;
let slow: TestProxy;

beforeAll(async () => {
  live = await startLive();
  live.io.on('connection', (socket) => {
    socket.on('up', (n: number) => socket.emit('down', n));
  });
  slow = await slowProxy({ target: live.port, latency: 2 });
});

afterAll(async () => {
  await until(() => live.engine.clientsCount === 0, 'every session ended');
  await slow.close();
  await live.close();
});

/** One connection that is upgraded while it talks. @returns what came back, and the transport it ended with. */
async function talk(from: ClientTransportName, to: ClientTransportName, pace: number): Promise<[number[], string]> {
  const client = io(slow.url, { forceNew: true, transports: transports({ url: slow.url, transports: [from, to] }) });
  const back: number[] = [];
  client.on('down', (n: number) => back.push(n));
  let n = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < pace && n < COUNT; i++) client.emit('up', n++);
    if (n === COUNT) clearInterval(timer);
  }, 1);
  try {
    await until(() => back.length >= COUNT && client.io.engine.transport.name === to, `${to} after ${from}`, 15_000);
    return [back, client.io.engine.transport.name];
  } finally {
    clearInterval(timer);
    client.disconnect();
  }
}

describe.each(PATHS)('from %s to %s', (from, to) => {
  it(`${TIMES} times, in order`, async () => {
    for (let done = 0; done < TIMES; done += 5) {
      const talks = Array.from({ length: 5 }, (_, i) => talk(from, to, 1 + i));
      for (const result of await Promise.all(talks)) expect(result).toEqual([all, to]);
    }
  }, 120_000);
});
