import { createServer, get, request, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { blockingProxy, bufferingProxy, cuttingProxy, slowProxy, type TestProxy } from 'nestwire/testing';

let server: Server;
let port: number;
let proxy: TestProxy;
/** Bodies of POSTs that the server took. */
let posts: string[];

beforeEach(async () => {
  posts = [];
  server = createServer((message, response) => {
    if (message.method === 'POST') {
      let body = '';
      message.on('data', (chunk) => (body += chunk));
      message.on('end', () => {
        posts.push(body);
        response.end('ok');
      });
    } else if (message.url === '/stream') {
      response.write('first');
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    } else {
      response.writeHead(201, { 'X-Test': 'yes' }).end('hello');
    }
  });
  server.on('upgrade', (_message, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nfirst');
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  await proxy.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** GETs; resolves with the response when its headers came. */
async function open(path: string): Promise<IncomingMessage> {
  const [response] = (await once(get(`${proxy.url}${path}`, { agent: false }), 'response')) as [IncomingMessage];
  return response;
}

async function body(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

/** The first characters of a response, which is cut then. */
async function beginning(response: IncomingMessage, length: number): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length >= length) break;
  }
  return text;
}

/** Asks for an upgrade; resolves with what came, when the connection ended or echoed. */
function upgrade(): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(proxy.url, { headers: { Connection: 'Upgrade', Upgrade: 'echo' }, agent: false });
    asked.on('upgrade', (_answer, socket, head) => {
      let text = String(head);
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (text.endsWith('ping')) socket.end();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
      socket.write('ping');
    });
    asked.on('response', (answer) => {
      resolve(`status ${answer.statusCode}`);
      answer.resume();
    });
    asked.on('error', () => resolve('cut'));
    asked.setTimeout(1000, () => {
      resolve('nothing');
      asked.destroy();
    });
    asked.end();
  });
}

const post = (text: string): Promise<string> =>
  fetch(proxy.url, { method: 'POST', body: text }).then(
    (response) => response.text(),
    () => 'cut',
  );

describe('blockingProxy', () => {
  it.each([
    [undefined, 'nothing'],
    ['nothing', 'nothing'],
    ['reset', 'cut'],
    [403, 'status 403'],
  ] as const)('with answer %p keeps upgrades from the server', async (answer, seen) => {
    proxy = await blockingProxy({ target: port, ...(answer && { answer }) });
    expect(await upgrade()).toBe(seen);
    const response = await open('/');
    expect([response.statusCode, response.headers['x-test'], await body(response)]).toEqual([201, 'yes', 'hello']);
    expect(await post('up')).toBe('ok');
  });

  it('blocks what it is told to', async () => {
    proxy = await blockingProxy({
      target: `http://127.0.0.1:${port}`,
      blocks: ({ url }) => url === '/bad',
      answer: 502,
    });
    expect((await open('/bad')).statusCode).toBe(502);
    expect((await open('/good')).statusCode).toBe(201);
    expect(await upgrade()).toBe('firstping');
  });

  it('knows plain HTTP only', async () => {
    proxy = await blockingProxy({ target: port });
    await expect(blockingProxy({ target: 'https://localhost' })).rejects.toThrow(TypeError);
  });
});

describe('bufferingProxy', () => {
  it('passes what ends, and refuses upgrades', async () => {
    proxy = await bufferingProxy({ target: port });
    const response = await open('/');
    expect([response.statusCode, response.headers['x-test'], await body(response)]).toEqual([201, 'yes', 'hello']);
    expect(await upgrade()).toBe('status 400');
  });

  it('holds a response that does not end, headers and all', async () => {
    const buffering = await bufferingProxy({ target: port });
    proxy = buffering;
    let came = false;
    const opened = open('/stream').then((response) => {
      came = true;
      return response;
    });
    // the server has written many times by then
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(came).toBe(false);
    buffering.buffering = false;
    const response = await opened;
    expect(await beginning(response, 15)).toMatch(/^firstx+$/);
  });

  it('can pass headers, begin later, and let go of a part', async () => {
    const buffering = await bufferingProxy({ target: port, passesHeaders: true, bufferBytes: 20, upgrades: 'pass' });
    proxy = buffering;
    const response = await open('/stream');
    expect(await beginning(response, 20)).toMatch(/^firstx{15}/);
    expect(await upgrade()).toBe('firstping');
  });
});

describe('cuttingProxy', () => {
  it('cuts what lasts, and not what ends', async () => {
    const cutting = await cuttingProxy({ target: port, responsesAfter: 50 });
    proxy = cutting;
    expect(await body(await open('/'))).toBe('hello');
    await expect(open('/stream').then(body)).rejects.toThrow('aborted');
    expect(cutting.cuts).toEqual({ responses: 1, upgrades: 0, posts: 0 });
  });

  it('cuts POSTs after the server has taken them', async () => {
    const cutting = await cuttingProxy({ target: port, everyPost: 2 });
    proxy = cutting;
    expect([await post('a'), await post('b'), await post('c'), await post('d')]).toEqual(['ok', 'cut', 'ok', 'cut']);
    expect(posts).toEqual(['a', 'b', 'c', 'd']);
    expect(cutting.cuts.posts).toBe(2);
  });

  it('cuts connections that were upgraded', async () => {
    const cutting = await cuttingProxy({ target: port, upgradesAfter: 0 });
    proxy = cutting;
    expect(await upgrade()).toBe('');
    expect(cutting.cuts.upgrades).toBe(1);
  });
});

describe('slowProxy', () => {
  it('takes two round trips to a first answer, and loses nothing', async () => {
    proxy = await slowProxy({ target: port, latency: 40 });
    const began = performance.now();
    expect(await body(await open('/'))).toBe('hello');
    expect(performance.now() - began).toBeGreaterThan(150);
    expect(await upgrade()).toBe('firstping');
  });

  it('keeps the order of what is sent in pieces', async () => {
    proxy = await slowProxy({ target: port, latency: 10 });
    let text = '';
    const asked = request(proxy.url, { method: 'POST', agent: false });
    for (let n = 0; n < 400; n++) {
      asked.write(`${n},`);
      text += `${n},`;
      await new Promise((resolve) => (n % 3 === 0 ? setTimeout(resolve, 0) : setImmediate(resolve)));
    }
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(await body(answer)).toBe('ok');
    expect(posts).toEqual([text]);
  });

  it('is as narrow as it is told', async () => {
    proxy = await slowProxy({ target: port, latency: 0, bytesPerSecond: 100_000 });
    const began = performance.now();
    expect(await post('x'.repeat(30_000))).toBe('ok');
    expect(performance.now() - began).toBeGreaterThan(250);
    expect(posts[0]).toHaveLength(30_000);
  });
});
