import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net';
import { afterCase } from './support.js';

/** A network between client and server that stops carrying what the server sends. */
export async function startStall(port: number): Promise<{ url: string; stall(): void; go(): void }> {
  const downs: TcpSocket[] = [];
  let isStalled = false;
  const server = createServer((client) => {
    const target = connectTcp(port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) socket.on('error', end).on('close', end);
    client.pipe(target);
    target.pipe(client);
    downs.push(target);
    if (isStalled) target.unpipe(client).pause();
    (target as { peer?: TcpSocket }).peer = client;
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  afterCase(() => {
    for (const down of downs) down.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stall() {
      isStalled = true;
      for (const down of downs) down.unpipe().pause();
    },
    go() {
      isStalled = false;
      for (const down of downs) down.pipe((down as { peer?: TcpSocket }).peer!);
    },
  };
}
