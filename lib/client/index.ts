export { connect, type ConnectOptions, type TriedEngine } from './connect.js';
export { EventSourceTransport } from './eventsource.js';
export type { Attempt } from './fallback/course.js';
export { FlashSocketTransport, type FlashSocketOptions } from './flash/flash-socket.js';
export { HtmlFileTransport } from './htmlfile.js';
export { JsonpTransport } from './jsonp.js';
export { MultipartTransport } from './multipart.js';
export type { StreamingOptions } from './streaming-transport.js';
export { transports, type ClientTransport, type ClientTransportName, type TransportsOptions } from './transports.js';
