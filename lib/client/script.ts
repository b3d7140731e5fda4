import { io } from 'socket.io-client';
import * as nestwire from './index.js';

/*
 * What `nestwire.js` is made of: the stock client and ours in one file for a script tag. It sets two globals, `io` as the
 * stock file does, and `nestwire` with all that `nestwire/client` exports.
 */
Object.assign(globalThis, { io, nestwire });
