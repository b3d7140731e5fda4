import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections (32,768 and above on Linux): one of those could take the port meanwhile. */
const FIRST = 20_000;
const LAST = 32_000;

/** A port of the loopback that was free a moment ago: for servers that cannot be asked for port 0 and then for what they got. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    const server = createServer();
    const listening = once(server.listen(port, '127.0.0.1'), 'listening').then(
      () => true,
      () => false,
    );
    // oxlint-disable-next-line no-await-in-loop
    const isFree = await listening;
    // oxlint-disable-next-line no-await-in-loop
    if (isFree) await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
