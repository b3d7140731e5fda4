/** What happens when handleConnection or handleDisconnect fails. Under Nest 12.1 the process ends; here it lives. */
import { setImmediate } from 'node:timers/promises';
import {
  Catch,
  ForbiddenException,
  Inject,
  Injectable,
  Scope,
  UseFilters,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'nestwire';
import type { Socket as Client } from 'socket.io-client';
import { afterCase, client, connect, deferred, expectNothingFatal, nestwire, next, startApp } from './support.js';

expectNothingFatal();

/** Connects and waits for the end: everything that came on the way, in order. */
async function refusal(url: string, options = {}): Promise<unknown[]> {
  const socket = client(url, options);
  const events: unknown[] = [];
  socket.onAny((...event: unknown[]) => events.push(event));
  socket.on('connect', () => events.push('connect'));
  const gone = next(socket, 'disconnect') as Promise<[string]>;
  socket.connect();
  events.push((await gone)[0]);
  return events;
}

async function rejectLater(error: unknown): Promise<never> {
  await setImmediate();
  throw error;
}

@Injectable({ scope: Scope.REQUEST })
class ClientState {
  constructor(@Inject(REQUEST) readonly socket: Socket) {}
}

const THROWN: [what: string, error: () => unknown, payload: object, logged: 'warnings' | 'errors'][] = [
  ['a WsException', () => new WsException('Unauthorized'), { status: 'error', message: 'Unauthorized' }, 'warnings'],
  ['a WsException with an object', () => new WsException({ code: 7 }), { code: 7 }, 'warnings'],
  [
    'an HttpException',
    () => new ForbiddenException('Members only'),
    { status: 'error', statusCode: 403, message: 'Members only', error: 'Forbidden' },
    'warnings',
  ],
  ['any other error', () => new Error('secret'), { status: 'error', message: 'Internal server error' }, 'errors'],
  ['what is no error at all', () => 'secret', { status: 'error', message: 'Internal server error' }, 'errors'],
];

describe.each([
  ['thrown', false],
  ['rejected', true],
])('a failure of handleConnection that is %s', (_how, isAsync) => {
  const fail = (error: unknown): Promise<never> => {
    if (!isAsync) throw error;
    return rejectLater(error);
  };

  it.each(THROWN)('tells the client, disconnects it and is logged once: %s', async (_what, error, payload, logged) => {
    const heard = deferred<[string, string | undefined]>();
    @WebSocketGateway()
    class RefusingGateway {
      handleConnection(): Promise<never> {
        return fail(error());
      }

      handleDisconnect(client: Socket, reason?: string): void {
        heard.resolve([client.id, reason]);
      }
    }
    const { url, logger } = await startApp({ providers: [RefusingGateway] });
    expect(await refusal(url)).toEqual(['connect', ['exception', payload], 'io server disconnect']);
    expect((await heard.promise)[1]).toBe('server namespace disconnect');
    expect({ errors: logger.errors.length, warnings: logger.warnings.length }).toEqual({
      errors: 0,
      warnings: 0,
      [logged]: 1,
    });
  });

  it('tells clients of request-scoped gateways just so', async () => {
    const heard = deferred<string | undefined>();
    @WebSocketGateway()
    class RefusingScopedGateway {
      constructor(@Inject(ClientState) private readonly state: ClientState) {}

      handleConnection(client: Socket): Promise<never> {
        return fail(new WsException(`not you, ${this.state.socket === client}`));
      }

      handleDisconnect(_client: Socket, reason?: string): void {
        heard.resolve(reason);
      }
    }
    const { url } = await startApp({ providers: [RefusingScopedGateway, ClientState] });
    const payload = { status: 'error', message: 'not you, true' };
    expect(await refusal(url)).toEqual(['connect', ['exception', payload], 'io server disconnect']);
    expect(await heard.promise).toBe('server namespace disconnect');
  });

  it('is answered as in Nest with errors: nest', async () => {
    @WebSocketGateway()
    class RefusingGateway {
      handleConnection(): Promise<never> {
        return fail(new WsException('Unauthorized'));
      }
    }
    const { url } = await startApp({ providers: [RefusingGateway], adapter: nestwire({ errors: 'nest' }) });
    const payload = { status: 'error', message: 'Unauthorized', cause: { pattern: 'handleConnection' } };
    expect(await refusal(url)).toEqual(['connect', ['exception', payload], 'io server disconnect']);
  });

  it('goes to the filters of the application, which own the answer', async () => {
    const seen: unknown[] = [];
    @Catch(RangeError)
    @Injectable()
    class ClassFilter implements ExceptionFilter {
      catch(exception: RangeError, host: ArgumentsHost): void {
        const ws = host.switchToWs();
        seen.push([host.getType(), ws.getPattern(), ws.getData()]);
        ws.getClient<Socket>().emit('refused', exception.message);
      }
    }
    @Catch(TypeError)
    class MethodFilter implements ExceptionFilter {
      async catch(exception: TypeError, host: ArgumentsHost): Promise<void> {
        await Promise.resolve();
        host.switchToWs().getClient<Socket>().emit('refused by method', exception.message);
      }
    }
    @WebSocketGateway()
    @UseFilters(ClassFilter)
    class FilteredGateway {
      @UseFilters(new MethodFilter())
      handleConnection(client: Socket): Promise<never> {
        const { kind } = client.handshake.auth;
        return fail(kind === 'range' ? new RangeError('too far') : new TypeError('not that'));
      }
    }
    const { url, logger } = await startApp({ providers: [FilteredGateway] });
    const ends = (event: unknown[]): unknown[] => ['connect', event, 'io server disconnect'];
    expect(await refusal(url, { auth: { kind: 'range' } })).toEqual(ends(['refused', 'too far']));
    expect(await refusal(url, { auth: { kind: 'type' } })).toEqual(ends(['refused by method', 'not that']));
    expect(seen).toEqual([['ws', 'handleConnection', undefined]]);
    expect([...logger.errors, ...logger.warnings]).toEqual([]);
  });

  it('is survived when the filter fails too', async () => {
    @Catch()
    class BrokenFilter implements ExceptionFilter {
      catch(): Promise<never> {
        return fail(new Error('broken filter'));
      }
    }
    @WebSocketGateway()
    @UseFilters(new BrokenFilter())
    class FilteredGateway {
      handleConnection(): Promise<never> {
        return fail(new Error('first'));
      }
    }
    const { url, logger } = await startApp({ providers: [FilteredGateway] });
    expect(await refusal(url)).toEqual(['connect', 'io server disconnect']);
    expect(logger.errorTexts()).toEqual(['broken filter']);
  });

  it('leaves other clients and other namespaces of the same client alone', async () => {
    @WebSocketGateway()
    class RefusingGateway {
      handleConnection(client: Socket): unknown {
        return client.handshake.auth['bad'] ? fail(new WsException('bad')) : undefined;
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown): unknown {
        return data;
      }
    }
    @WebSocketGateway({ namespace: 'side' })
    class SideGateway {
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown): unknown {
        return data;
      }
    }
    const { url } = await startApp({ providers: [RefusingGateway, SideGateway] });
    const good = await connect(url);
    const side = await connect(`${url}/side`, { auth: { bad: true } });
    const refused = side.io.socket('/', { auth: { bad: true } }) as Client;
    afterCase(() => refused.disconnect());
    const gone = next(refused, 'disconnect');
    refused.connect();
    expect((await gone)[0]).toBe('io server disconnect');
    expect(await side.emitWithAck('echo', 1)).toBe(1);
    expect(await good.emitWithAck('echo', 2)).toBe(2);
  });
});

describe('a client whose handleConnection failed', () => {
  it('is heard by no handler any more', async () => {
    const handled: unknown[] = [];
    @WebSocketGateway()
    class RefusingGateway {
      handleConnection(): void {
        throw new WsException('no');
      }

      @SubscribeMessage('event')
      event(): void {
        handled.push('event');
      }
    }
    const { url } = await startApp({ providers: [RefusingGateway] });
    const socket = client(url);
    const gone = next(socket, 'disconnect');
    socket.on('connect', () => {
      for (let sent = 0; sent < 10; sent += 1) socket.emit('event');
    });
    socket.connect();
    await gone;
    await connect(url).catch(() => {});
    expect(handled).toEqual([]);
  });
});

describe('a request-scoped gateway that cannot be made', () => {
  @Injectable({ scope: Scope.REQUEST })
  class BrokenState {
    constructor() {
      throw new WsException('no state');
    }
  }

  it.each(['reply', 'nest'] as const)('refuses the client when it has hooks (errors: %s)', async (errors) => {
    @WebSocketGateway()
    class HookedGateway {
      constructor(@Inject(BrokenState) readonly state: BrokenState) {}
      handleConnection(): void {}
    }
    const { url } = await startApp({ providers: [HookedGateway, BrokenState], adapter: nestwire({ errors }) });
    expect(await refusal(url)).toEqual([
      'connect',
      ['exception', expect.objectContaining({ message: 'no state' })],
      'io server disconnect',
    ]);
  });

  it('refuses the client when it has none', async () => {
    @WebSocketGateway()
    class HooklessGateway {
      constructor(@Inject(BrokenState) readonly state: BrokenState) {}
    }
    const { url } = await startApp({ providers: [HooklessGateway, BrokenState] });
    const payload = { status: 'error', message: 'no state' };
    expect(await refusal(url)).toEqual(['connect', ['exception', payload], 'io server disconnect']);
  });
});

describe('handleDisconnect', () => {
  it.each([
    ['throws', false],
    ['rejects', true],
  ])('is logged when it %s', async (_how, isAsync) => {
    const called = deferred();
    @WebSocketGateway()
    class FailingGateway {
      handleDisconnect(): unknown {
        process.nextTick(() => called.resolve());
        const error = new Error('cannot clean up');
        if (isAsync) return Promise.reject(error);
        throw error;
      }
    }
    const { url, logger } = await startApp({ providers: [FailingGateway] });
    (await connect(url)).disconnect();
    await called.promise;
    expect(logger.errorTexts()).toEqual(['cannot clean up']);
  });

  it('tells a filter that wants to know', async () => {
    const seen = deferred<unknown>();
    @Catch(RangeError)
    class ReportingFilter implements ExceptionFilter {
      catch(exception: RangeError, host: ArgumentsHost): void {
        seen.resolve([exception.message, host.switchToWs().getPattern()]);
      }
    }
    @WebSocketGateway()
    @UseFilters(new ReportingFilter())
    class FailingGateway {
      handleDisconnect(): void {
        throw new RangeError('reported');
      }
    }
    const { url, logger } = await startApp({ providers: [FailingGateway] });
    (await connect(url)).disconnect();
    expect(await seen.promise).toEqual(['reported', 'handleDisconnect']);
    expect(logger.errors).toEqual([]);
  });

  it.each(['static', 'request-scoped'])('is waited for when the application closes (%s)', async (scope) => {
    const order: string[] = [];
    const release = deferred();
    const started = deferred();
    class SlowGateway {
      async handleDisconnect(): Promise<void> {
        started.resolve();
        await release.promise;
        order.push('cleaned up');
      }

      onApplicationShutdown(): void {
        order.push('shut down');
      }
    }
    WebSocketGateway()(SlowGateway);
    Injectable({ scope: scope === 'static' ? Scope.DEFAULT : Scope.REQUEST })(SlowGateway);
    const { app, url } = await startApp({ providers: [SlowGateway] });
    await connect(url);
    const closed = app.close().then(() => order.push('closed'));
    await started.promise;
    // far longer than a close that does not wait would take
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(order).toEqual([]);
    release.resolve();
    await closed;
    expect(order).toEqual(scope === 'static' ? ['cleaned up', 'shut down', 'closed'] : ['cleaned up', 'closed']);
  });
});

describe('two applications of one process', () => {
  @WebSocketGateway()
  class SharedGateway {
    readonly connections: string[] = [];

    handleConnection(client: Socket): void {
      this.connections.push(client.id);
      if (client.handshake.auth['bad']) throw new WsException('bad');
    }

    @SubscribeMessage('fail')
    fail(): never {
      throw new WsException('failed');
    }
  }

  @WebSocketGateway({ namespace: 'scoped' })
  class SharedScopedGateway {
    constructor(@Inject(ClientState) readonly state: ClientState) {}

    handleConnection(client: Socket): string {
      client.emit('hello', client.id);
      return 'returned';
    }

    @SubscribeMessage('fail')
    fail(): never {
      throw new WsException('failed');
    }
  }

  it('do not disturb each other, also when one of them uses another adapter', async () => {
    const providers = [SharedGateway, SharedScopedGateway, ClientState];
    const ours = await startApp({ providers });
    const nests = await startApp({ providers, adapter: nestwire({ errors: 'nest' }) });
    const other = await startApp({ providers, adapter: (app) => new IoAdapter(app) });
    const asInNest = { status: 'error', message: 'failed', cause: { pattern: 'fail', data: 1 } };
    for (const namespace of ['', '/scoped']) {
      /* oxlint-disable no-await-in-loop */
      const reply = (await connect(ours.url + namespace)).emitWithAck('fail', 1);
      expect(await reply).toEqual({ status: 'error', message: 'failed' });
      for (const { url } of [nests, other]) {
        const socket = await connect(url + namespace);
        let answered = false;
        socket.emit('fail', 1, () => (answered = true));
        expect(await next(socket, 'exception')).toEqual(asInNest);
        expect(answered).toBe(false);
      }
      /* oxlint-enable no-await-in-loop */
    }
    const refused = ['connect', ['exception', { status: 'error', message: 'bad' }], 'io server disconnect'];
    expect(await refusal(ours.url, { auth: { bad: true } })).toEqual(refused);
    expect(ours.app.get(SharedGateway).connections).toHaveLength(2);
    expect(nests.app.get(SharedGateway).connections).toHaveLength(1);
    expect(other.app.get(SharedGateway).connections).toHaveLength(1);
  });
});
