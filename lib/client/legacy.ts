import { FlashSocketTransport } from './flash/flash-socket.js';
import { HtmlFileTransport } from './htmlfile.js';
import { JsonpTransport } from './jsonp.js';
import type { TransportClass } from './fallback/guard.js';

/*
 * Transports for old or hostile networks. Few pages need them, so none is in nestwire.js, and bundlers leave out those that
 * an application does not import. This list is what nestwire.legacy.js has besides.
 */
export const LEGACY: readonly TransportClass[] = [HtmlFileTransport, FlashSocketTransport, JsonpTransport];
