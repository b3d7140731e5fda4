import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RedisScaleOutOptions } from '../../../lib/scale-out/redis/options.js';
import { afterCase, cleanUp, connect, next } from '../../nest/support.js';
import { freePort } from '../../support/free-port.js';
import { startRedis } from '../../support/redis-server.js';
import { ask } from '../../support/wire-http.js';
import { relayStats, startNode, until } from './support.js';

afterEach(cleanUp);

const PASSWORD = 'correct horse: battery/staple@';

/** A Redis that takes TLS and a password, with a certificate that nobody else has signed. */
async function startSecured() {
  const directory = await mkdtemp(join(tmpdir(), 'nestwire-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const what = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await promisify(execFile)('openssl', [...what, ...names, '-keyout', key, '-out', cert]);
  const tlsPort = await freePort();
  const tls = ['--tls-port', String(tlsPort), '--tls-cert-file', cert, '--tls-key-file', key];
  const redis = await startRedis([...tls, '--tls-auth-clients', 'no', '--requirepass', PASSWORD]);
  afterCase(async () => {
    await redis.close();
    await rm(directory, { recursive: true, force: true });
  });
  const ca = await readFile(cert, 'utf8');
  const url = `rediss://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${tlsPort}`;
  return { redis, tlsPort, url, ca };
}

describe('a Redis with TLS and a password', () => {
  it('joins nodes, and joins them again when it was away', async () => {
    const { redis, url, ca } = await startSecured();
    const scaleOut: RedisScaleOutOptions = { url, client: { socket: { tls: true, ca } } };
    const [one, other] = [await startNode(redis, scaleOut), await startNode(redis, scaleOut)];
    const client = await connect(one.url);
    const said = next(client, 'said');
    other.io.emit('said', 'hello');
    expect(await said).toBe('hello');
    const { text } = await ask(`${one.url}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    const posted = await ask(`${other.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
      method: 'POST',
      body: '40',
    });
    expect(posted).toMatchObject({ status: 200, text: 'ok' });
    await redis.stop();
    await until(() => !relayStats(one.io).isRegistryReachable);
    await redis.start();
    await until(() => relayStats(one.io).isRegistryReachable && relayStats(one.io).nodes === 2);
    const again = next(client, 'said');
    other.io.emit('said', 'again');
    expect(await again).toBe('again');
  });

  it.each([
    ['a certificate that nobody vouches for', ({ url }: { url: string }) => ({ url }), /certificate/],
    [
      'a wrong password',
      ({ tlsPort, ca }: { tlsPort: number; ca: string }) => ({
        url: `rediss://:wrong@127.0.0.1:${tlsPort}`,
        client: { socket: { tls: true as const, ca } },
      }),
      /WRONGPASS/,
    ],
    ['no password', ({ redis }: { redis: { url: string } }) => ({ url: redis.url }), /NOAUTH/],
  ])('is not taken with %s, and the error says why and not the password', async (_what, options, why) => {
    const secured = await startSecured();
    const failed = await startNode(secured.redis, options(secured)).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failed).toBeInstanceOf(Error);
    expect(failed!.message).toMatch(why);
    expect(failed!.message).not.toMatch(/battery|wrong@/);
  });
});
