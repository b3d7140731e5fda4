import { io } from 'socket.io-client';
import { connect, EventSourceTransport, MultipartTransport, transports } from './index.js';

/*
 * What `nestwire.js` is made of: the stock client and ours in one file for a script tag. It sets two globals, `io` as the
 * stock file does, and `nestwire` with what `nestwire/client` exports, but for transports that few want.
 */
Object.assign(globalThis, { io, nestwire: { connect, EventSourceTransport, MultipartTransport, transports } });
