import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { Exchange } from '../../bench/load/exchange.js';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A server that gives each request to `answer`, and a client of it; `bodies` has what went wrong as well. */
async function exchangeWith(answer: (socket: Socket, request: string, n: number) => void) {
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (bytes) => answer(socket, `${bytes}`, requests++));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
  cleanUps.push(() => sockets.forEach((socket) => socket.destroy()));
  let fail: (message: string) => void = () => undefined;
  const { port } = server.address() as AddressInfo;
  const exchange = new Exchange({ port, cookie: 'c' } as never, (message: string) => fail(message));
  cleanUps.push(() => exchange.close());
  const ask = (begin: (done: (body: Buffer) => void) => void) =>
    new Promise<string>((resolve, reject) => {
      fail = (message) => reject(new Error(message));
      begin((body) => resolve(`${body}`));
    });
  return {
    get: (path: string) => ask((done) => exchange.get(path, done)),
    post: (path: string, body: string) => ask((done) => exchange.post(path, Buffer.from(body), done)),
    sockets,
  };
}

const answerOf = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

it('sends one request after the other over one connection', async () => {
  const { get, post, sockets } = await exchangeWith((socket, request, n) => {
    socket.write(answerOf(`${n} ${request.split(' ')[0]} ${request.split('\r\n\r\n')[1]}`));
  });
  expect(await get('/')).toBe('0 GET ');
  expect(await post('/', 'hello')).toBe('1 POST hello');
  expect(sockets).toHaveLength(1);
});

it('takes an answer that comes in pieces, and one without a body', async () => {
  const { get } = await exchangeWith((socket, _request, n) => {
    if (n === 1) return socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    const answer = answerOf('hello');
    socket.write(answer.slice(0, -3));
    return setImmediate(() => socket.write(answer.slice(-3)));
  });
  expect(await get('/')).toBe('hello');
  expect(await get('/')).toBe('');
});

it('sends a request again when an idle connection was closed under it', async () => {
  const { post, sockets } = await exchangeWith((socket, request, n) => {
    if (n === 1) socket.destroy();
    else socket.write(answerOf(`${n} ${request.split('\r\n\r\n')[1]}`));
  });
  expect(await post('/', 'a')).toBe('0 a');
  expect(await post('/', 'b')).toBe('2 b');
  expect(sockets).toHaveLength(2);
});

it('fails when a connection is closed that has answered nothing', async () => {
  const { get } = await exchangeWith((socket) => socket.end());
  await expect(get('/')).rejects.toThrow('closed instead of an answer');
});

it('fails at a status that says no', async () => {
  const { get } = await exchangeWith((socket) => socket.write('HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n'));
  await expect(get('/')).rejects.toThrow('answered with HTTP/1.1 400');
});

it('fails at more than an answer', async () => {
  const { get } = await exchangeWith((socket) => socket.write(`${answerOf('a')}rest`));
  await expect(get('/')).rejects.toThrow('more than an answer');
});
