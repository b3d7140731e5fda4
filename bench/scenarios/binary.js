/** Attachments of 64 KB there and back, through a guard. platform-ws has only JSON. */
import { THROUGHPUT } from '../figures.js';
import { measureEcho } from './echo.js';
import { BARE_WS, NESTWIRE, SOCKET_IO } from './peers.js';

export const binary64k = {
  name: 'binary64k',
  title: 'echo of 64 KB of binary data, 20 connections, 1 in flight each',
  figures: THROUGHPUT,
  rows: [BARE_WS, SOCKET_IO, NESTWIRE].map((row) => ({ ...row, kind: 'binary', bytes: 65_536 })),
  settings: { connections: 20, inFlight: 1, units: 2000, warmUp: 2000, rounds: 5 },
  quick: { units: 400, warmUp: 200, rounds: 2 },
  run: measureEcho,
};
