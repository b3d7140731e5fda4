import { io } from 'socket.io-client';
import { connect } from './connect.js';
import { EventSourceTransport } from './eventsource.js';
import { MultipartTransport } from './multipart.js';
import { transports } from './transports.js';

/*
 * What `nestwire.js` is made of: the stock client and ours in one file for a script tag. It sets two globals, `io` as the
 * stock file does, and `nestwire` with what `nestwire/client` exports, but for legacy transports.
 */
Object.assign(globalThis, { io, nestwire: { EventSourceTransport, MultipartTransport, connect, transports } });
