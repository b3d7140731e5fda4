import type { Duplex } from 'node:stream';
import { passOn, startHttpProxy, type ProxyOptions, type TestProxy } from './proxy.js';

/** Options of {@link cuttingProxy}. What is not named is not cut. */
export interface CuttingProxyOptions extends ProxyOptions {
  /** Milliseconds after which a response that has not ended is cut. */
  responsesAfter?: number;
  /** Milliseconds after which a connection that was upgraded is cut; 0: right behind the answer to it. */
  upgradesAfter?: number;
  /** Of how many POSTs one is cut, after the server has taken its body and answered: the client does not see the answer. */
  everyPost?: number;
}

/** A proxy that tells how often it cut. */
export interface CuttingProxy extends TestProxy {
  readonly cuts: { readonly responses: number; readonly upgrades: number; readonly posts: number };
}

/** A network that cuts connections: the balancer with a short idle limit, the train that goes through a tunnel. */
export async function cuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const { responsesAfter, upgradesAfter, everyPost } = options;
  const cuts = { responses: 0, upgrades: 0, posts: 0 };
  let posts = 0;
  const proxy = await startHttpProxy(options, {
    answer(answer, response, message) {
      if (everyPost !== undefined && message.method === 'POST' && ++posts % everyPost === 0) {
        cuts.posts++;
        answer.resume();
        answer.on('close', () => response.destroy());
        return;
      }
      passOn(answer, response);
      if (responsesAfter === undefined) return;
      const timer = setTimeout(() => {
        cuts.responses++;
        response.destroy();
      }, responsesAfter);
      response.on('close', () => clearTimeout(timer));
    },
    tunnel(client: Duplex) {
      if (upgradesAfter === undefined) return;
      const cut = (): void => {
        cuts.upgrades++;
        client.destroy();
      };
      if (upgradesAfter === 0) return cut();
      const timer = setTimeout(cut, upgradesAfter);
      client.on('close', () => clearTimeout(timer));
    },
  });
  return { ...proxy, cuts };
}
