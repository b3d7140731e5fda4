import type { CanActivate, Logger, Type } from '@nestjs/common';
import type { Server, Socket } from 'socket.io';
import {
  gateServer,
  OUT_OF_TIME,
  type Gatekeeper,
  type Lineage,
  type Verdict,
} from '../../socket-io/connection-gate.js';
import { connectionGuardsOf } from '../decorators/use-connection-guards.decorator.js';
import { checked, nameOf, scopeProblem, type Enhancer } from '../enhancers.js';
import type { Gateway } from '../gateways.js';
import { serverContextOfServer } from '../server-context.js';
import { askGuard } from './ask-guard.js';
import { ConnectionContext } from './connection-context.js';
import { forbidden, refusalOf } from './refusal.js';

/**
 * Milliseconds that all guards of one connection have together. As long as a change of transport may take, and well below
 * the 45 s after which socket.io closes clients that have joined nothing (`connectTimeout`).
 */
export const DEFAULT_CONNECTION_GUARD_TIMEOUT = 10_000;

/** Milliseconds between two lines in the log about clients that break the protocol. */
const VIOLATION_LOG_INTERVAL = 1000;

/** What the guards of one application need of its adapter. */
export interface ConnectionGuardsHost {
  readonly logger: Logger;
  /** Stands for a gateway where a namespace has none. */
  readonly adapterType: Type;
  /** Guards of every namespace, asked before those of gateways. */
  readonly everywhere: readonly CanActivate[];
  readonly timeout: number;
  /** Whether the application is not ready yet; its clients are sent away, and come back. */
  isStarting(): boolean;
}

interface GuardedGateway {
  /** Its place among the gateways of the application. Nest connects the first one last. */
  readonly order: number;
  readonly type: Type;
  readonly handler: Function;
  readonly guards: readonly CanActivate[];
}

type Hook = (this: unknown, server: object) => unknown;

/**
 * The connection guards of one application: those of its gateways, and those of all namespaces. An application that has
 * none is left alone.
 */
export class ConnectionGuards implements Gatekeeper {
  readonly timeout: number;
  private readonly isUsed: boolean;
  /** By namespace, also of a pattern. */
  private readonly gateways = new WeakMap<object, GuardedGateway[]>();
  /** Of a namespace without a gateway. */
  private readonly nobody: readonly GuardedGateway[];
  private readonly gated = new WeakSet<Server>();
  private lastViolation = -Infinity;

  /** @throws Error that names a gateway and its guard, when that cannot be had. */
  constructor(
    private readonly host: ConnectionGuardsHost,
    gateways: readonly Gateway[],
  ) {
    this.timeout = host.timeout;
    this.nobody = [{ order: 0, type: host.adapterType, handler: handleConnection, guards: [] }];
    const guarded = gateways.map((gateway) => ({ gateway, guards: resolveGuards(gateway) }));
    this.isUsed = host.everywhere.length > 0 || guarded.some(({ guards }) => guards.length > 0);
    if (!this.isUsed) return;
    guarded.forEach(({ gateway, guards }, order) => this.follow(gateway, order, guards));
  }

  /** Puts the guards before everything on a server. */
  gate(server: Server): void {
    // createIOServer() of an adapter of the application's own may give two gateways one server
    if (!this.isUsed || this.gated.has(server)) return;
    this.gated.add(server);
    gateServer(server, this);
  }

  isGuarded(lineage: Lineage): boolean {
    // while the application starts it is not known yet whose namespaces these are
    if (this.host.everywhere.length > 0 || this.host.isStarting()) return true;
    return lineage.some((namespace) => this.gateways.get(namespace)?.some(({ guards }) => guards.length > 0));
  }

  async examine(socket: Socket, lineage: Lineage, signal: AbortSignal): Promise<Verdict> {
    if (this.host.isStarting()) return 'retry';
    const known = lineage
      .flatMap((namespace) => this.gateways.get(namespace) ?? [])
      .toSorted((one, other) => one.order - other.order);
    const gateways = known.length === 0 ? this.nobody : known;
    const contexts = gateways.map(({ type, handler }) => new ConnectionContext(socket, type, handler));
    const trials = [
      ...this.host.everywhere.flatMap((guard) => contexts.map((context) => ({ guard, context }))),
      ...gateways.flatMap(({ guards }, index) => guards.map((guard) => ({ guard, context: contexts[index]! }))),
    ];
    for (const { guard, context } of trials) {
      // one after the other: a guard may rely on what the one before has found out
      // oxlint-disable-next-line no-await-in-loop
      const verdict = await this.ask(guard, context, signal);
      if (verdict !== 'admit') return verdict;
    }
    return 'admit';
  }

  violated(namespace: string, what: string): void {
    const now = performance.now();
    if (now - this.lastViolation < VIOLATION_LOG_INTERVAL) return;
    this.lastViolation = now;
    this.host.logger.warn(`A client of ${namespace} ${what}; its connection is closed`);
  }

  failed(error: unknown): void {
    this.host.logger.error(error);
  }

  private async ask(guard: CanActivate, context: ConnectionContext, signal: AbortSignal): Promise<Verdict> {
    try {
      const allowed = await askGuard(guard, context, signal);
      if (allowed && !signal.aborted) return 'admit';
      throw forbidden();
    } catch (exception) {
      const client = context.switchToWs().getClient<Socket>();
      const where = `${guard.constructor?.name}, a connection guard of ${client.nsp.name},`;
      if (signal.aborted) {
        // the client has gone, or has just been sent away: what the guard made of it is nobody's any more
        if (signal.reason !== OUT_OF_TIME) return 'retry';
        this.host.logger.error(`${where} has not decided within ${this.timeout} ms; its client is sent away`);
        return 'retry';
      }
      const refusal = refusalOf(exception);
      if (refusal === null) this.failed(exception);
      else this.host.logger.debug(`${where} refused client ${client.id}: ${refusal.message}`);
      return refusal ?? 'retry';
    }
  }

  /** Learns by Nest's own hook which namespace a gateway is connected to. */
  private follow({ metatype, instance }: Gateway, order: number, guards: readonly CanActivate[]): void {
    const prototype = metatype.prototype as { handleConnection?: Function };
    const gateway = { order, type: metatype, handler: prototype.handleConnection ?? handleConnection, guards };
    const afterInit = instance['afterInit'] as Hook | undefined;
    const connected = (server: object): void => {
      // an application that was given two adapters, one after the other, calls the hooks of both
      if (serverContextOfServer(server)?.connectionGuards === this) this.connected(server, gateway);
    };
    const following = function (this: unknown, server: object): unknown {
      connected(server);
      return afterInit?.call(this, server);
    };
    Object.defineProperty(instance, 'afterInit', { value: following, writable: true, configurable: true });
  }

  private connected(server: object, gateway: GuardedGateway): void {
    const namespace = isServer(server) ? server.of('/') : server;
    this.gateways.set(namespace, [...(this.gateways.get(namespace) ?? []), gateway]);
  }
}

/** What a guard finds as its handler when the gateway has no `handleConnection`. */
function handleConnection(): void {
  // nobody calls it
}

/** Nest gives a gateway without a namespace the server, which stands for its main namespace. */
function isServer(server: object): server is Server {
  return typeof (server as Partial<Server>).of === 'function';
}

function resolveGuards(gateway: Gateway): readonly CanActivate[] {
  return connectionGuardsOf(gateway.metatype).map((guard) => resolveGuard(gateway, guard));
}

function resolveGuard({ metatype, module }: Gateway, guard: Enhancer<CanActivate>): CanActivate {
  const refuse = (problem: string): never => {
    throw new Error(`@UseConnectionGuards() of ${metatype.name} names ${nameOf(guard)}, which ${problem}`);
  };
  if (typeof guard !== 'function') return checked<CanActivate>(guard, 'canActivate', refuse);
  // made by Nest for the gateway's module; see the decorator
  const wrapper = module.injectables.get(guard);
  if (wrapper === undefined) return refuse('Nest has not made: the gateway is no plain provider of its module');
  const problem = scopeProblem(wrapper);
  return problem === undefined ? checked<CanActivate>(wrapper.instance, 'canActivate', refuse) : refuse(problem);
}
