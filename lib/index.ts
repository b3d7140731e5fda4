export { NestwireAdapter } from './nest/nestwire.adapter.js';
export { NestwireModule } from './nest/nestwire.module.js';
export type { NestwireOptions } from './nest/nestwire-options.js';
export { replyError } from './nest/reply-error.js';
export type { Server, Socket } from 'socket.io';
