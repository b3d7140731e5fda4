/**
 * What we have promised ourselves, as ratios of two rows that are measured in one run: `of` / `to` in `figure` of `scenario` must
 * be `atMost`. A budget without `to` is about the figure itself.
 */
const SOCKET_IO = 'platform-socket.io';
const POLLING = 'platform-socket.io/polling';
const WS = 'platform-ws';
const SOCKJS = 'sockjs/xhr-streaming';
const OURS = 'nestwire';

const cpu = (scenario, of, to, atMost) => ({ scenario, figure: 'cpu', of, to, atMost });

const broadcasts = ['broadcast-200', 'broadcast-2000'].map((scenario) => cpu(scenario, OURS, SOCKET_IO, 0.6));

const streams = ['nestwire/eventsource', 'nestwire/multipart'].flatMap((stream) => [
  cpu('push', stream, POLLING, 0.15),
  cpu('push', stream, SOCKJS, 0.7),
  { scenario: 'push', figure: 'p99', of: stream, to: POLLING, atMost: 0.3 },
]);

export const BUDGETS = [
  cpu('echo10', OURS, SOCKET_IO, 0.5),
  cpu('echo10', OURS, WS, 0.65),
  cpu('echo10', OURS, 'ws', 1.1),
  cpu('echo1', OURS, SOCKET_IO, 0.7),
  cpu('echo1', OURS, WS, 0.9),
  cpu('stream10', 'nestwire, stream', 'nestwire, handler', 1.15),
  cpu('stream1', 'nestwire, stream', 'nestwire, handler', 1.15),
  ...broadcasts,
  ...streams,
  cpu('push', 'nestwire/polling', POLLING, 0.7),
  cpu('connect', OURS, SOCKET_IO, 0.6),
  { scenario: 'heap20', figure: 'heap', of: OURS, to: SOCKET_IO, atMost: 0.12 },
  { scenario: 'heap20', figure: 'heap', of: OURS, to: WS, atMost: 0.85 },
  cpu('growth', 'nestwire, 8000', 'nestwire, 100', 1.2),
  // the limit for all slow readers together, and twice as much for what is on its way to the others
  { scenario: 'slow-readers', figure: 'share', of: OURS, atMost: 3 },
  { scenario: 'start-up', figure: 'ms', of: OURS, to: SOCKET_IO, atMost: 1.1 },
];
