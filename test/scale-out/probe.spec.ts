import { describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import type { Probe } from '../../lib/scale-out/probe.js';
import { until } from '../support/wire-engine.js';
import { ask } from '../support/wire-http.js';
import { relayPortOf, relayServerOf, useNodes, usePairs, type Pair } from './support.js';

const pair = usePairs(useNodes());

interface Insides {
  tick(): void;
  readonly isAnswered: boolean;
  readonly timer: unknown;
}

/** Asks now, and not in two seconds. */
function probeOf({ owner, other }: Pair): Insides {
  const { remotes } = other.relay as unknown as { remotes: Map<string, { probe: Probe }> };
  return remotes.get(owner.relay.id)!.probe as unknown as Insides;
}

/** Cuts what the owner is asked on the way, and nothing else. */
function swallow({ owner }: Pair): () => void {
  const server = relayServerOf(owner);
  const listeners = server.listeners('request') as ((...args: unknown[]) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request) => request.socket.destroy());
  return () => {
    server.removeAllListeners('request');
    for (const listener of listeners) server.on('request', listener);
  };
}

describe('a node that is in the registry and cannot be reached', () => {
  it('is not waited for: neither by what is open nor by what comes, until it answers', async () => {
    const nodes = await pair();
    const { other, session, url } = nodes;
    const parked = ask(url);
    await until(() => session.transport.writable);
    const probe = probeOf(nodes);
    const restore = swallow(nodes);
    probe.tick();
    expect(await parked).toMatchObject({ status: 400, text: expect.stringMatching('Session ID unknown') });
    const { forwarded, open, failed } = other.engine.stats().relay!;
    expect({ forwarded, open, failed }).toEqual({ forwarded: 1, open: 0, failed: 1 });
    expect((await ask(url)).status).toBe(400);
    restore();
    probe.tick();
    await until(() => probe.isAnswered);
    expect((await ask(url, { method: 'POST', body: '4x' })).status).toBe(200);
    expect(other.lines).toEqual([expect.stringMatching('cannot be reached'), expect.stringMatching('again')]);
  });

  it('is not asked while nothing is open', async () => {
    const nodes = await pair();
    await ask(nodes.url, { method: 'POST', body: '4x' });
    const probe = probeOf(nodes);
    await until(() => nodes.other.engine.stats().relay!.open === 0);
    probe.tick();
    expect(probe.timer).toBeNull();
  });

  it('answers that to anybody, and says nothing with it', async () => {
    const { owner } = await pair();
    const port = relayPortOf(owner);
    const asked = request({ host: '127.0.0.1', port, method: 'OPTIONS', path: '*', agent: false }).end();
    const status = await new Promise((resolve) =>
      asked.on('response', (answer) => resolve(answer.resume().statusCode)),
    );
    expect(status).toBe(204);
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 0 });
  });
});
