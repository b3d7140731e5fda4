/** What cannot work is an error when the class is made or the application starts, and names the method. */
import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, UsePipes, type INestApplication, type PipeTransform } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Ack, ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type StreamDefaults, type StreamOptions } from 'nestwire';
import type { Observable } from 'rxjs';
import { afterCase, cleanUp, connect, createApp, nestwire, startApp, urlOf } from '../support.js';

afterEach(cleanUp);

describe('a stream method', () => {
  it.each<[string, () => unknown, string]>([
    [
      'without a stream',
      () => {
        class Board {
          @SubscribeStream('word')
          words(): void {}
        }
        return Board;
      },
      'Board.words() is a stream of "word" and needs one parameter with @MessageStream()',
    ],
    [
      'with two',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream() _one$: unknown, @MessageStream() _two$: unknown): void {}
        }
        return Board;
      },
      'Board.words() is a stream of "word" and needs one parameter with @MessageStream()',
    ],
    [
      'with @MessageBody()',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream() _word$: unknown, @MessageBody() _body: unknown): void {}
        }
        return Board;
      },
      'Board.words() is a stream: its messages come by @MessageStream(), not by @MessageBody()',
    ],
    [
      'with @Ack()',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@Ack() _ack: unknown, @MessageStream() _word$: unknown): void {}
        }
        return Board;
      },
      "Board.words() is a stream: it answers by Incoming.ack, with { ack: 'manual' }, not by @Ack()",
    ],
    [
      'of a gateway with @ConnectedSocket()',
      () => {
        class Board {
          @SubscribeStream('word', { scope: 'gateway' })
          words(@MessageStream() _word$: unknown, @ConnectedSocket() _client: unknown): void {}
        }
        return Board;
      },
      'Board.words() is a stream of all clients: there is no @ConnectedSocket(); see Incoming.client',
    ],
    [
      'that is static',
      () => {
        class Board {
          @SubscribeStream('word')
          static words(): void {}
        }
        return Board;
      },
      "@SubscribeStream('word') is for methods of gateways, and Function.words() is none",
    ],
    [
      'with a symbol for a name',
      () => {
        class Board {
          @SubscribeStream('word')
          [Symbol.iterator](@MessageStream() _word$: unknown): void {}
        }
        return Board;
      },
      "@SubscribeStream('word') is for methods of gateways, and Board.Symbol(Symbol.iterator)() is none",
    ],
    [
      'that is an accessor',
      () => {
        class Board {
          get words(): unknown {
            return 1;
          }
        }
        const descriptor = Object.getOwnPropertyDescriptor(Board.prototype, 'words')!;
        return SubscribeStream('word')(Board.prototype, 'words', descriptor as never);
      },
      "@SubscribeStream('word') is for methods of gateways, and Board.words() is none",
    ],
    [
      'that is decorated twice',
      () => {
        class Board {
          @SubscribeStream('one')
          @SubscribeStream('two')
          words(@MessageStream() _word$: unknown): void {}
        }
        return Board;
      },
      'Board.words() has @SubscribeStream() twice; a method is one stream, of one event',
    ],
    [
      'whose stream is a parameter of the constructor',
      () => {
        class Board {
          constructor(@MessageStream() _word$: unknown) {}
        }
        return Board;
      },
      '@MessageStream() is for a parameter of a method of a gateway',
    ],
    [
      'whose stream is of a type that is not there yet',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream(undefined as never) _word$: unknown): void {}
        }
        return Board;
      },
      '@MessageStream() was given undefined for a type, pipe or schema. Do two files import each other?',
    ],
    [
      'whose stream has a pipe that is not there yet',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream(String, undefined as never) _word$: unknown): void {}
        }
        return Board;
      },
      '@MessageStream() was given undefined for a type, pipe or schema. Do two files import each other?',
    ],
    [
      'whose stream has a schema that is not there yet',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream({ schema: undefined }) _word$: unknown): void {}
        }
        return Board;
      },
      '@MessageStream() was given undefined for a type, pipe or schema. Do two files import each other?',
    ],
    [
      'whose stream is of something that is no type',
      () => {
        class Board {
          @SubscribeStream('word')
          words(@MessageStream('word' as never) _word$: unknown): void {}
        }
        return Board;
      },
      '@MessageStream() was given word for a type, pipe or schema. Do two files import each other?',
    ],
  ])('%s is refused', (_name, make, message) => {
    expect(make).toThrow(new TypeError(message));
  });
});

const INVALID_DEFAULTS: [option: string, options: any, problem: string][] = [
  ['timeout', { timeout: 0 }, 'must be a number of 1 or more'],
  ['timeout', { timeout: Number.NaN }, 'must be a number of 1 or more'],
  ['timeout', { timeout: '100' }, 'must be a number of 1 or more'],
  ['queue.limit', { queue: { limit: 0 } }, 'must be a number of 1 or more'],
  ['queue.overflow', { queue: { overflow: 'drop' } }, 'must be one of refuse, dropOldest, disconnect'],
  ['restart.limit', { restart: { limit: -1 } }, 'must be a number of 0 or more'],
  ['restart.window', { restart: { window: 0 } }, 'must be a number of 1 or more'],
  ['restart.delay', { restart: { delay: -1 } }, 'must be a number of 0 or more'],
  ['restart.maxDelay', { restart: { maxDelay: -1 } }, 'must be a number of 0 or more'],
  ['onError', { onError: 'ignore' }, 'must be one of restart, complete, disconnect'],
  ['slowReaders.bytes', { slowReaders: { bytes: -1, policy: 'drop' } }, 'must be a number of 0 or more'],
  ['slowReaders.policy', { slowReaders: { bytes: 1, policy: 'x' } }, 'must be one of drop, latest, disconnect'],
  ['slowReaders', { slowReaders: { bytes: 1 } }, 'needs both bytes and policy'],
  ['slowReaders', { slowReaders: { policy: 'drop' } }, 'needs both bytes and policy'],
];

describe('the options of a stream', () => {
  const makeGateway = (options: StreamOptions) => {
    class Board {
      @SubscribeStream('word', options)
      words(@MessageStream() _word$: any): void {}
    }
    return Board;
  };

  it.each([
    ...INVALID_DEFAULTS,
    ['concurrency', { concurrency: 0 }, 'must be a number of 1 or more'],
    ['scope', { scope: 'server' }, 'must be one of client, gateway'],
    ['ack', { ack: 'none' }, 'must be one of auto, manual'],
    ['onError', { scope: 'gateway', onError: 'disconnect' }, '"disconnect" is for streams of one client'],
    ['cluster', { cluster: true }, 'is for streams in gateway scope'],
  ] as [string, any, string][])('%s %j is refused', (option, options, problem) => {
    expect(() => makeGateway(options)).toThrow(`Nestwire: option "Board.words().${option}" ${problem}`);
  });

  it.each<StreamOptions>([
    {},
    { scope: 'gateway', cluster: true, onError: 'complete' },
    { ack: 'manual', concurrency: Infinity, timeout: Infinity, queue: { limit: Infinity } },
    { restart: { limit: 0, delay: 0, maxDelay: 0, window: 1 }, slowReaders: { bytes: 0, policy: 'latest' } },
    { scope: undefined, timeout: undefined, queue: { limit: undefined }, restart: {}, slowReaders: undefined },
  ])('%j is taken', (options) => {
    expect(() => makeGateway(options)).not.toThrow();
  });
});

describe('the defaults of an application', () => {
  it.each(INVALID_DEFAULTS)('%s %j is refused', async (option, streams: StreamDefaults, problem) => {
    const started = createApp({ adapter: nestwire({ streams }) });
    await expect(started).rejects.toThrow(`Nestwire: option "streams.${option}" ${problem}`);
  });

  it('for the ordering of handlers are checked, too', async () => {
    const started = createApp({ adapter: nestwire({ ordering: 'server' as never }) });
    await expect(started).rejects.toThrow('Nestwire: option "ordering" must be "none" or "client"');
  });
});

describe('a gateway', () => {
  const scoped = (make: (add: (provider: any) => any) => any) => {
    const providers: any[] = [];
    providers.push(make((provider) => (providers.push(provider), provider)));
    return providers;
  };

  it.each<[string, any[]]>([
    [
      'in request scope',
      scoped(() => {
        @Injectable({ scope: Scope.REQUEST })
        @WebSocketGateway()
        class Board {
          @SubscribeStream('word')
          words(@MessageStream() _word$: Observable<string>): void {}
        }
        return Board;
      }),
    ],
    [
      'that is given the request',
      scoped(() => {
        @WebSocketGateway()
        class Board {
          constructor(@Inject(REQUEST) readonly request: unknown) {}
          @SubscribeStream('word')
          words(@MessageStream() _word$: Observable<string>): void {}
        }
        return Board;
      }),
    ],
    [
      'with a pipe in request scope',
      scoped(() => {
        @Injectable({ scope: Scope.REQUEST })
        class RequestPipe implements PipeTransform {
          transform(value: unknown): unknown {
            return value;
          }
        }
        @WebSocketGateway()
        class Board {
          @SubscribeStream('word')
          words(@MessageStream(String, RequestPipe) _word$: Observable<string>): void {}
        }
        return Board;
      }),
    ],
  ])('%s is refused', async (_name, providers) => {
    await expect(startApp({ providers })).rejects.toThrow(
      'Board.words() is a stream, and Board is request-scoped: Nest makes it anew for each message, and a stream needs one ' +
        'that stays. Give the gateway, what is injected into it, and its guards, pipes, interceptors and filters the default scope.',
    );
  });

  it('in request scope without streams is served', async () => {
    @Injectable({ scope: Scope.REQUEST })
    @WebSocketGateway()
    class Board {
      @SubscribeMessage('word')
      word(@MessageBody() word: string): string {
        return word;
      }
    }
    const { url } = await startApp({ providers: [Board] });
    expect(await (await connect(url)).emitWithAck('word', 'x')).toBe('x');
  });

  it('with a @MessageStream() on an ordinary handler is refused', async () => {
    class Parent {
      @SubscribeMessage('word')
      words(@MessageStream() _word$: Observable<string>): void {}
    }
    @WebSocketGateway()
    class Board extends Parent {}
    await expect(startApp({ providers: [Board] })).rejects.toThrow(
      new TypeError('Parent.words() has a @MessageStream(), but is no @SubscribeStream()'),
    );
  });

  it('with a decorator that puts another method in the place of the stream is refused', async () => {
    const trace: MethodDecorator = (_target, _key, descriptor) => {
      const { value } = descriptor;
      descriptor.value = function (this: unknown, ...args: unknown[]): unknown {
        return (value as (...args: unknown[]) => unknown).apply(this, args);
      } as never;
    };
    @WebSocketGateway()
    class Board {
      @trace
      @SubscribeStream('word')
      words(@MessageStream() _word$: Observable<string>): void {}
    }
    await expect(startApp({ providers: [Board] })).rejects.toThrow(
      'Board.words() has a @MessageStream(), but is no @SubscribeStream()',
    );
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Traced {
      @SubscribeStream('word')
      @trace
      words(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => seen.push(word));
      }
    }
    const { url } = await startApp({ providers: [Traced] });
    await (await connect(url)).emitWithAck('word', 'x');
    expect(seen).toEqual(['x']);
  });
});

describe('an adapter that does not know the application', () => {
  const makeGateway = () => {
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Board {
      @UsePipes({ transform: (value: unknown) => value })
      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => seen.push(word));
      }
    }
    return { Board, seen };
  };
  const message = 'Board.words() is a stream, which needs a NestwireAdapter that was made with the application';
  const strangers: [string, (app: INestApplication) => IoAdapter | NestwireAdapter][] = [
    ['of Nest', (app) => new IoAdapter(app)],
    ['made with an HTTP server', (app) => new NestwireAdapter(app.getHttpServer())],
    ['made with nothing', () => new NestwireAdapter()],
  ];

  it.each(strangers)('%s is refused at start', async (_name, adapter) => {
    const { Board } = makeGateway();
    await expect(startApp({ providers: [Board], adapter })).rejects.toThrow(message);
  });

  it.each(strangers.slice(0, 2))(
    '%s is refused for each message, where another application serves the class',
    async (_name, adapter) => {
      const { Board, seen } = makeGateway();
      const served = await startApp({ providers: [Board] });
      const { url, logger } = await startApp({ providers: [Board], adapter });
      const client = await connect(url);
      const exception = new Promise((resolve) => client.once('exception', resolve));
      client.emit('word', 'x');
      expect(await exception).toMatchObject({ status: 'error', message: 'Internal server error' });
      expect(logger.errorTexts()).toEqual([message]);
      await (await connect(served.url)).emitWithAck('word', 'y');
      expect(seen).toEqual(['y']);
    },
  );

  it('may be given it besides', async () => {
    const { Board, seen } = makeGateway();
    const server = createServer();
    const { app } = await createApp({
      providers: [Board],
      adapter: (application) => new NestwireAdapter(server, { app: application }),
    });
    await app.init();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterCase(() => server.close());
    await (await connect(urlOf(server))).emitWithAck('word', 'x');
    expect(seen).toEqual(['x']);
  });
});
