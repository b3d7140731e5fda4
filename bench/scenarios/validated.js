/** As echo10, with a message that class-validator has to pass. */
import { THROUGHPUT } from '../figures.js';
import { measureEcho } from './echo.js';
import { NESTWIRE, PLATFORM_WS, SOCKET_IO } from './peers.js';

export const validated10 = {
  name: 'validated10',
  title: 'echo through a guard and a class-validator pipe, 50 connections, 10 in flight each',
  figures: THROUGHPUT,
  rows: [SOCKET_IO, PLATFORM_WS, NESTWIRE].map((row) => ({ ...row, gateway: 'validated' })),
  settings: { connections: 50, inFlight: 10, units: 15_000, warmUp: 30_000, rounds: 5 },
  quick: { units: 3000, warmUp: 3000, rounds: 2 },
  run: measureEcho,
};
