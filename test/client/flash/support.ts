import { connect as connectTcp, type Socket } from 'node:net';

/**
 * A page with a Flash player, of which the movie's callbacks are as `flash/NestwirePipe.hx` has them, over TCP of Node. It
 * counts what the page does with it.
 */
export class FakePage {
  /** Movies that were put on the page, and those that are there still. */
  readonly loaded: string[] = [];
  present = 0;
  /** Bytes of each piece that a movie was given. */
  readonly sent: number[] = [];
  /** What a movie does instead of connecting. */
  instead: 'nothing' | 'fails to load' | 'fails to connect' | 'throws' | null = null;
  /** Bytes that a movie keeps for the page at most. */
  maxWaiting = 65 * 1024 * 1024;
  /** Whether the page takes nothing, as one in the background. */
  isAsleep = false;
  readonly sockets: Socket[] = [];
  private readonly pageHide = new Set<(event: { persisted?: boolean }) => void>();
  private readonly before = new Map<string, PropertyDescriptor | undefined>();

  /** Makes it what `globalThis` has, until {@link remove}. */
  install({ hasPlayer = true } = {}): void {
    this.set('document', { body: { append: () => void this.present++ } });
    this.set('location', { origin: 'http://page.example', href: 'http://page.example/' });
    this.set('addEventListener', (_type: string, listener: () => void) => this.pageHide.add(listener));
    this.set('removeEventListener', (_type: string, listener: () => void) => this.pageHide.delete(listener));
    if (hasPlayer) this.set('RufflePlayer', { newest: () => ({ createPlayer: () => this.createPlayer() }) });
  }

  remove(): void {
    for (const socket of this.sockets) socket.destroy();
    for (const [name, descriptor] of this.before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete (globalThis as Record<string, unknown>)[name];
    }
    this.before.clear();
  }

  /** The page goes away. */
  hide(persisted: boolean): void {
    for (const listener of this.pageHide) listener({ persisted });
  }

  private set(name: string, value: unknown): void {
    this.before.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }

  private createPlayer(): object {
    let socket: Socket | null = null;
    let state = 0;
    let received = Buffer.alloc(0);
    let problem = '';
    const end = (how: number, why = ''): void => {
      if (state < 2) [state, problem] = [how, why];
    };
    const callbacks = {
      nestwireConnect: (host: string, port: number) => {
        if (this.instead === 'throws') throw new Error('the movie is gone');
        if (this.instead === 'fails to connect') return end(3, 'Error #2031');
        socket = connectTcp(port, host, () => (state ||= 1));
        this.sockets.push(socket);
        socket.on('data', (chunk: Buffer) => {
          if (received.length + chunk.length <= this.maxWaiting) {
            received = Buffer.concat([received, chunk]);
            return;
          }
          end(3, `the page has left ${this.maxWaiting} bytes waiting`);
          socket!.destroy();
        });
        socket.on('close', () => end(2)).on('error', (error) => end(3, error.message));
      },
      nestwireSend: (base64: string) => {
        if (state !== 1) return false;
        const bytes = Buffer.from(base64, 'base64');
        this.sent.push(bytes.length);
        socket!.write(bytes);
        return true;
      },
      nestwireTake: () => {
        if (this.isAsleep) return '1';
        if (received.length === 0) return state + problem;
        const part = received.subarray(0, 49_152);
        received = received.subarray(49_152);
        return Math.min(state, 1) + part.toString('base64');
      },
      nestwireClose() {
        socket?.end();
        end(2);
      },
    };
    const player = {
      style: {},
      remove: () => void this.present--,
      load: ({ url }: { url: string }) => {
        this.loaded.push(url);
        if (this.instead === 'fails to load') return Promise.reject(new Error('404'));
        // the movie runs some time later
        if (this.instead !== 'nothing') setTimeout(() => Object.assign(player, callbacks), 5);
        return Promise.resolve();
      },
    };
    return player;
  }
}
