import { randomBytes } from 'node:crypto';
import { ANSWER_TIMEOUT } from './node-registry.js';
import { waitBefore, within, type RedisConnection } from './connection.js';

/**
 * The secret that all nodes of an application sign with, for those that were not given one: the first node puts it into
 * Redis, the others read it there. Whoever may read this Redis can read it.
 */
export class SharedSecret {
  private timer: NodeJS.Timeout | undefined;
  private secret: string | undefined;
  private isClosed = false;

  constructor(
    private readonly connection: RedisConnection,
    private readonly key: string,
    private readonly log: (message: string) => void,
  ) {}

  /** Resolves when Redis has been reached, which may be never. */
  async get(): Promise<string> {
    for (let tries = 0; !this.isClosed; tries++) {
      try {
        // one try after the other
        // oxlint-disable-next-line no-await-in-loop
        return (this.secret = await this.agree(randomBytes(32).toString('base64url')));
      } catch {
        // Redis is away, which is logged by its connection
        // oxlint-disable-next-line no-await-in-loop
        await new Promise<void>((resolve) => (this.timer = setTimeout(resolve, waitBefore(tries))));
      }
    }
    return new Promise<never>(() => undefined);
  }

  /**
   * Puts the secret back when Redis has come without it: one that keeps nothing on disk and was restarted. Nodes that start
   * later would agree on another one.
   */
  async keep(): Promise<void> {
    if (this.secret === undefined) return;
    try {
      if ((await this.agree(this.secret)) === this.secret) return;
      this.log(
        'the secret of this node is not the one in Redis any more, so nodes that started later do not know it: ' +
          'restart it, and give all nodes one secret (NESTWIRE_SECRET)',
      );
    } catch {
      // away again; it will come back
    }
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  /** Offers a secret, and gives the one that holds. */
  private async agree(offer: string): Promise<string> {
    const { client } = this.connection;
    const set = client.set(this.key, offer, { condition: 'NX' });
    const [, held] = await within(ANSWER_TIMEOUT, Promise.all([set, client.get(this.key)]));
    if (typeof held !== 'string') throw new Error('the secret in Redis has gone');
    return held;
  }
}
