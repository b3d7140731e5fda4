import type { LoggerService } from '@nestjs/common';
import type { ExternalContextCreator } from '@nestjs/core';
import type { Namespace, Server } from 'socket.io';
import { Deadlines, type DeadlineQueue } from '../../engine/deadlines.js';
import type { Gateway } from '../gateways.js';
import type { HandlerCall } from '../handler-call.js';
import { GatewayStreams } from './gateway-streams.js';
import { checkStreamOptions, DEFAULT_ADMISSION_TIMEOUT, type StreamDefaults } from './stream-options.js';
import type { StreamStats } from './stream-route.js';

/** The streams of all gateways of one application. */
export class ApplicationStreams {
  /** How long a handler may keep the next one waiting, where they run in order. */
  readonly handlerCalls: DeadlineQueue<HandlerCall>;
  private readonly deadlines = new Deadlines();
  private readonly gateways: GatewayStreams[] = [];
  /** Those of the gateway that Nest is binding to its server. */
  private current: GatewayStreams | null = null;

  /** @throws InvalidOptionError */
  constructor(
    private readonly defaults: StreamDefaults,
    private readonly logger: Pick<LoggerService, 'error' | 'warn'>,
  ) {
    checkStreamOptions(defaults, 'streams');
    this.handlerCalls = this.deadlines.queue(defaults.timeout ?? DEFAULT_ADMISSION_TIMEOUT, (call) => call.expire());
  }

  /** Prepares the streams of a gateway. To be called before Nest makes its handlers. */
  prepare(gateway: Gateway, contexts: ExternalContextCreator): void {
    const { defaults, logger, deadlines } = this;
    const streams = GatewayStreams.of(gateway, { defaults, logger, deadlines, contexts });
    if (streams !== null) this.gateways.push(streams);
    this.announce(gateway, streams);
  }

  /** The streams of the gateway that Nest is binding to its server; asked for once for each. */
  takeCurrent(): GatewayStreams | null {
    const { current } = this;
    this.current = null;
    return current;
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((streams) => streams.close()));
    this.deadlines.stop();
  }

  stats(): StreamStats[] {
    return this.gateways.flatMap((streams) => streams.stats());
  }

  /**
   * Nest calls the adapter for one gateway after the other, and does not say for which: but just before it calls `afterInit()` of
   * the gateway, in the same turn.
   */
  private announce(gateway: Gateway, streams: GatewayStreams | null): void {
    const { instance } = gateway;
    const own = instance['afterInit'] as ((server: unknown) => unknown) | undefined;
    if (streams === null && own === undefined) return;
    const afterInit = (server: Server | Namespace): unknown => {
      const result = own?.call(instance, server);
      this.current = streams;
      streams?.start(server);
      return result;
    };
    Object.defineProperty(instance, 'afterInit', { value: afterInit, writable: true, configurable: true });
  }
}
