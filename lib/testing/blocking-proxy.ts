import type { IncomingMessage } from 'node:http';
import { startHttpProxy, type ProxyOptions, type TestProxy } from './proxy.js';

/** Options of {@link blockingProxy}. */
export interface BlockingProxyOptions extends ProxyOptions {
  /** What is blocked, by request. Default: upgrades, so WebSocket. */
  blocks?: (message: IncomingMessage) => boolean;
  /**
   * What is done to it: `'nothing'` leaves it without an answer, `'reset'` cuts the connection, a number is the status it
   * is answered with. Default `'nothing'`.
   */
  answer?: 'nothing' | 'reset' | number;
}

/**
 * A network that lets some requests not through: the firewall or proxy that does not know WebSocket.
 *
 * ```ts
 * const proxy = await blockingProxy({ target: port, answer: 403 });
 * const client = connect(proxy.url);
 * …
 * await proxy.close();
 * ```
 */
export async function blockingProxy(options: BlockingProxyOptions): Promise<TestProxy> {
  const { blocks = isUpgrade, answer = 'nothing' } = options;
  return startHttpProxy(options, {
    request(message, response) {
      if (!blocks(message)) return false;
      if (answer === 'reset') response.destroy();
      else if (answer !== 'nothing') response.writeHead(answer, { Connection: 'close' }).end('blocked');
      return true;
    },
    upgrade(message, socket) {
      if (!blocks(message)) return false;
      if (answer === 'reset') socket.destroy();
      else if (answer !== 'nothing') {
        socket.end(`HTTP/1.1 ${answer} Blocked\r\nContent-Length: 7\r\nConnection: close\r\n\r\nblocked`);
      }
      return true;
    },
  });
}

function isUpgrade(message: IncomingMessage): boolean {
  return message.headers.upgrade !== undefined;
}
