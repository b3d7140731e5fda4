/**
 * What the load generator says to a server and what it must hear, per message format. The payload of a message is the
 * same JSON everywhere; only what a peer's protocol puts around it differs.
 *
 * - `path`: of the handshake request, straight to WebSocket.
 * - `reply(text, state)`: what to do with a message that belongs to the protocol itself: a text to send back, OPEN
 *   when the handshake is through, or undefined when it is none of those.
 * - `request(n, text)`, `answer(n, text)`, `news(n)`: the texts of message number n.
 */
export const TEXT = 'the quick brown fox jumps over the lazy dog';

/** What `reply` says when the connection is ready for messages. */
export const OPEN = Symbol('open');

/** The text of a broadcast; the server is told to send just this. */
export const NEWS_TEXT = TEXT;

const echo = (n, text = TEXT) => JSON.stringify({ id: n, text });
const news = (n) => JSON.stringify({ seq: n, text: NEWS_TEXT });

/** What is said on a WebSocket that a session of polling goes over to. */
export const UPGRADE = {
  greeting: '2probe',
  reply(text) {
    if (text === '2') return '3';
    return text === '3probe' ? OPEN : undefined;
  },
  confirmation: '5',
};

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
  news: (n) => `42["news",${news(n)}]`,
};

/** The same with answers as events: what a handler and a stream can both give. */
const socketIoEvents = {
  ...socketIo,
  request: (n, text) => `42["echo",${echo(n, text)}]`,
  answer: (n, text) => `42["echoed",${echo(n, text)}]`,
};

/** The JSON of platform-ws: `{event, data}` to the server; a handler's answer comes back as it is. */
const nestWs = {
  path: '/',
  request: (n, text) => `{"event":"echo","data":${echo(n, text)}}`,
  answer: (n, text) => echo(n, text),
  news: (n) => `{"event":"news","data":${news(n)}}`,
};

/** A server that sends back what it gets. */
const bareWs = { ...nestWs, answer: nestWs.request };

/** Which dialect each peer speaks. */
export const DIALECTS = {
  'platform-socket.io': socketIo,
  'platform-ws': nestWs,
  nestwire: socketIo,
  ws: bareWs,
  'socket.io': socketIo,
  'nestwire-engine': socketIo,
  'nestwire-handler': socketIoEvents,
  'nestwire-stream': socketIoEvents,
  'platform-socket.io-redis': socketIo,
  'nestwire-redis': socketIo,
};
