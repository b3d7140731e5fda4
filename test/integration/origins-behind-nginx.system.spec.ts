import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { Engine, type EngineOptions } from 'nestwire/engine';
import { startNginx, type Nginx } from '../support/nginx.js';

/** The engine of the running case; nginx stays and forwards to one server. */
let engine: Engine | undefined;
let server: HttpServer;
let nginx: Nginx;

const COOKIE = { cookie: 'session=1' };

beforeAll(async () => {
  server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // what guides for WebSocket behind nginx show, without and with the Host line
  const upgrade =
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;';
  nginx = await startNginx(`
    location /without-host/ { proxy_pass ${upstream}/engine.io/; ${upgrade} }
    location /with-host/ { proxy_pass ${upstream}/engine.io/; ${upgrade} proxy_set_header Host $http_host; }
    location /forwarded-host/ { proxy_pass ${upstream}/engine.io/; ${upgrade} proxy_set_header X-Forwarded-Host $http_host; }
  `);
});

afterAll(async () => {
  await nginx.stop();
  await new Promise((resolve) => server.close(resolve));
});

afterEach(() => {
  engine?.close();
});

function start(options: EngineOptions = {}): void {
  engine = new Engine(options).attach(server);
}

/** The status of a handshake through nginx: over polling, and over WebSocket (101 when it was let in). */
async function statuses(location: string, headers: Record<string, string>): Promise<[number, number]> {
  const target = `127.0.0.1:${nginx.port}/${location}/?EIO=4&transport=`;
  const request = httpRequest(`http://${target}polling`, { headers, agent: false });
  request.end();
  const [response] = await once(request, 'response');
  response.resume();
  const client = new WebSocket(`ws://${target}websocket`, { headers });
  client.on('error', () => {});
  const status = await new Promise<number>((resolve) => {
    client.on('unexpected-response', (_request, answer) => resolve(answer.statusCode!));
    client.on('open', () => resolve(101));
  });
  client.terminate();
  return [response.statusCode, status];
}

describe('origins behind nginx', () => {
  const ownOrigin = () => ({ origin: `http://127.0.0.1:${nginx.port}` });
  const otherOrigin = { origin: 'https://evil.example' };

  it.each(['without-host', 'with-host'])('%s: lets in all that carries no cookies', async (location) => {
    start();
    expect(await statuses(location, {})).toEqual([200, 101]);
    expect(await statuses(location, ownOrigin())).toEqual([200, 101]);
    expect(await statuses(location, otherOrigin)).toEqual([200, 101]);
    expect(await statuses(location, COOKIE)).toEqual([200, 101]);
  });

  it('with the Host line: lets the own page in with cookies, and no other', async () => {
    start();
    expect(await statuses('with-host', { ...ownOrigin(), ...COOKIE })).toEqual([200, 101]);
    expect(await statuses('with-host', { ...otherOrigin, ...COOKIE })).toEqual([403, 403]);
  });

  it('without the Host line: knows the own page by Sec-Fetch-Site', async () => {
    start();
    const sameOrigin = { ...ownOrigin(), ...COOKIE, 'sec-fetch-site': 'same-origin' };
    const crossSite = { ...otherOrigin, ...COOKIE, 'sec-fetch-site': 'cross-site' };
    expect(await statuses('without-host', sameOrigin)).toEqual([200, 101]);
    expect(await statuses('without-host', crossSite)).toEqual([403, 403]);
  });

  it('without the Host line and without Sec-Fetch-Site: cannot tell, refuses, and says what to do', async () => {
    const log: string[] = [];
    start({ logger: (line) => log.push(line) });
    expect(await statuses('without-host', { ...ownOrigin(), ...COOKIE })).toEqual([403, 403]);
    expect(log[0]).toContain('proxy_set_header Host');
    engine!.close();
    start({ origins: ownOrigin().origin });
    expect(await statuses('without-host', { ...ownOrigin(), ...COOKIE })).toEqual([200, 101]);
    engine!.close();
    start({ cors: { origin: ownOrigin().origin, credentials: true } });
    expect(await statuses('without-host', { ...ownOrigin(), ...COOKIE })).toEqual([200, 101]);
  });

  it('X-Forwarded-Host counts with trustProxy only', async () => {
    start();
    expect(await statuses('forwarded-host', { ...ownOrigin(), ...COOKIE })).toEqual([403, 403]);
    engine!.close();
    start({ trustProxy: 'loopback' });
    expect(await statuses('forwarded-host', { ...ownOrigin(), ...COOKIE })).toEqual([200, 101]);
    expect(await statuses('forwarded-host', { ...otherOrigin, ...COOKIE })).toEqual([403, 403]);
  });

  it('once origins are listed, others are refused without cookies too', async () => {
    start({ origins: ['https://app.example'] });
    expect(await statuses('with-host', otherOrigin)).toEqual([403, 403]);
    expect(await statuses('with-host', { origin: 'https://app.example' })).toEqual([200, 101]);
    expect(await statuses('with-host', ownOrigin())).toEqual([200, 101]);
    expect(await statuses('with-host', {})).toEqual([200, 101]);
  });
});
