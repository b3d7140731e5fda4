/** A stream handler beside an ordinary one that does the same, with the same guard and pipe. */
import { THROUGHPUT } from '../figures.js';
import { measureEcho } from './echo.js';

const row = (gateway) => ({ id: `nestwire, ${gateway}`, peer: 'nestwire', gateway, kind: 'events' });

const COMMON = {
  figures: THROUGHPUT,
  rows: [row('handler'), row('stream')],
  pairs: [['nestwire, stream', 'nestwire, handler']],
  run: measureEcho,
};

export const stream10 = {
  ...COMMON,
  name: 'stream10',
  title: 'answers by an event, from a handler and from a stream, 50 connections, 10 in flight each',
  settings: { connections: 50, inFlight: 10, units: 15_000, warmUp: 30_000, rounds: 7 },
  quick: { units: 3000, warmUp: 3000, rounds: 2 },
};

export const stream1 = {
  ...COMMON,
  name: 'stream1',
  title: 'answers by an event, from a handler and from a stream, 50 connections, 1 in flight each',
  settings: { connections: 50, inFlight: 1, units: 12_000, warmUp: 20_000, rounds: 5 },
  quick: { units: 3000, warmUp: 3000, rounds: 2 },
};
