/**
 * What the load generator says to a server and what it must hear, per message format. The payload of a message is the
 * same JSON everywhere; only what a peer's protocol puts around it differs.
 *
 * - `path`: of a WebSocket handshake that has nothing before it.
 * - `reply(text, state)`: what to do with a message that belongs to the protocol itself: a text to send back, OPEN
 *   when the handshake is through, or undefined when it is none of those.
 * - `request(n, text)`, `answer(n, text)`, `news(n)`: the texts of message number n. A message of several frames, or a binary
 *   one, is an array of them.
 * - `notice(n, text)`: a message that nothing answers.
 */
export const TEXT = 'the quick brown fox jumps over the lazy dog';

/** What `reply` says when the connection is ready for messages. */
export const OPEN = Symbol('open');

/** What is said on a WebSocket that a session of polling goes over to. */
export const UPGRADE = {
  greeting: '2probe',
  reply(text) {
    if (text === '2') return '3';
    return text === '3probe' ? OPEN : undefined;
  },
  confirmation: '5',
};

const echo = (n, text = TEXT) => JSON.stringify({ id: n, text });
const news = (n, text = TEXT) => JSON.stringify({ seq: n, text });

/** Engine.IO protocol 4 with Socket.IO protocol 5 on top of it, the root namespace, an ack asked for. */
const socketIo = {
  path: '/socket.io/?EIO=4&transport=websocket',
  reply(text, state) {
    if (text === '2') return '3';
    if (state !== 'handshake') return undefined;
    if (text.startsWith('0{')) return '40';
    return text.startsWith('40{') ? OPEN : undefined;
  },
  request: (n, text) => `42${n}["echo",${echo(n, text)}]`,
  answer: (n, text) => `43${n}[${echo(n, text)}]`,
  news: (n, text) => `42["news",${news(n, text)}]`,
  notice: (n, text) => `42["notice",${echo(n, text)}]`,
};

/** The same with answers as events: what a handler and a stream can both give. */
const socketIoEvents = {
  ...socketIo,
  request: (n, text) => `42["echo",${echo(n, text)}]`,
  answer: (n, text) => `42["echoed",${echo(n, text)}]`,
};

/** A Buffer of the text's length that begins with the number. */
function bytesOf(n, text) {
  const bytes = Buffer.from(text, 'latin1');
  bytes.writeUInt32BE(n);
  return bytes;
}

/** An attachment each way. */
const socketIoBinary = {
  ...socketIo,
  request: (n, text) => [`451-${n}["echo",{"_placeholder":true,"num":0}]`, bytesOf(n, text)],
  answer: (n, text) => [`461-${n}[{"_placeholder":true,"num":0}]`, bytesOf(n, text)],
};

/** The JSON of platform-ws: `{event, data}` to the server; a handler's answer comes back as it is. */
const nestWs = {
  path: '/',
  request: (n, text) => `{"event":"echo","data":${echo(n, text)}}`,
  answer: (n, text) => echo(n, text),
  news: (n, text) => `{"event":"news","data":${news(n, text)}}`,
  notice: (n, text) => `{"event":"notice","data":${echo(n, text)}}`,
};

/** A server that sends back what it gets. */
const mirror = { ...nestWs, answer: nestWs.request };
const mirrorBinary = {
  ...mirror,
  request: (n, text) => [bytesOf(n, text)],
  answer: (n, text) => [bytesOf(n, text)],
};

/** The families of peers, by the kind of message. */
const SOCKET_IO = { text: socketIo, events: socketIoEvents, binary: socketIoBinary };
const MIRROR = { text: mirror, binary: mirrorBinary };

const FAMILIES = {
  'platform-socket.io': SOCKET_IO,
  'platform-ws': { text: nestWs },
  nestwire: SOCKET_IO,
  ws: MIRROR,
  net: MIRROR,
  sse: MIRROR,
  sockjs: MIRROR,
  'socket.io': SOCKET_IO,
  'nestwire-engine': SOCKET_IO,
  'platform-socket.io-redis': SOCKET_IO,
  'nestwire-redis': SOCKET_IO,
};

/** Names of all servers that can be measured. */
export const PEERS = Object.keys(FAMILIES);

/** @param kind `text`, `events` or `binary`. */
export function dialectOf(peer, kind = 'text') {
  const dialect = FAMILIES[peer]?.[kind];
  if (dialect === undefined) throw new Error(`${peer} does not speak ${kind}; there are ${PEERS.join(', ')}`);
  return dialect;
}
