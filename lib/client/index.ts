export { EventSourceTransport } from './eventsource.js';
export { MultipartTransport } from './multipart.js';
export type { StreamingOptions } from './streaming-transport.js';
