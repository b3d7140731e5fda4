import { io } from 'socket.io-client';
import { connect, type ConnectOptions } from './connect.js';
import * as nestwire from './index.js';
import { LEGACY } from './legacy.js';
import { transports, type TransportsOptions } from './transports.js';

/*
 * What `nestwire.legacy.js` is made of: all that `nestwire.js` has, and every legacy transport. A script tag has nothing to
 * import, so here the names of legacy transports stand for their classes.
 */
type Transports = TransportsOptions['transports'];

const byName = new Map(LEGACY.map((one) => [String(one.prototype.name), one]));

const resolve = <T extends { transports?: Transports }>(options: T): T =>
  options.transports === undefined
    ? options
    : { ...options, transports: options.transports.map((one) => byName.get(String(one)) ?? one) };

Object.assign(globalThis, {
  io,
  nestwire: {
    ...nestwire,
    transports: (options: TransportsOptions = {}) => transports(resolve(options)),
    connect: (url?: string | ConnectOptions, options: ConnectOptions = {}) =>
      typeof url === 'object' ? connect(resolve(url)) : connect(url, resolve(options)),
  },
});
