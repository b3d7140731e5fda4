import type { Logger } from '@nestjs/common';
import type { Gateway } from './gateways.js';
import { isMeantForClient } from './error-payload.js';
import { HookArgumentsHost } from './hook-arguments-host.js';
import { findGlobalFilter, findHookFilter } from './hook-filters.js';
import { copyMetadata } from './nest-metadata.js';
import { serverContextOf } from './server-context.js';
import { wsErrorsFilter } from './ws-errors.filter.js';

type HookName = 'handleConnection' | 'handleDisconnect';
type Hook = (this: unknown, client: unknown, ...args: unknown[]) => unknown;

/** A client as far as hooks care. */
interface HookClient {
  readonly id?: string;
  disconnect?(): unknown;
}

/** Milliseconds that the shutdown waits for `handleDisconnect` of clients that it disconnected itself. */
const DISCONNECT_HOOKS_DEADLINE = 10_000;

/** On a hook that is protected. */
const PROTECTED = Symbol('nestwire.protected');

/**
 * `handleConnection` and `handleDisconnect` of the gateways of one application. In Nest 12.1 an exception there, thrown or
 * rejected, ends the process. Here it goes to the exception filters; a client whose `handleConnection` failed is told
 * and disconnected. The shutdown waits for what `handleDisconnect` still does.
 */
export class ConnectionHooks {
  private readonly gateways = new Map<object, Gateway>();
  private readonly disconnecting = new Set<PromiseLike<unknown>>();
  private readonly refused = new Set<object>();
  private connecting: object | null = null;

  constructor(private readonly logger: Logger) {}

  /** Protects the hooks of a gateway. To be done before Nest binds them. */
  protect(gateway: Gateway): void {
    this.gateways.set(gateway.metatype.prototype as object, gateway);
    for (const name of ['handleConnection', 'handleDisconnect'] as const) protectHook(gateway, name);
  }

  /** Runs Nest's part of a new connection: `handleConnection`, then the binding of handlers. */
  connect(client: object, run: () => void): void {
    const outer = this.connecting;
    this.connecting = client;
    try {
      run();
    } finally {
      this.connecting = outer;
    }
    if (this.refused.delete(client)) this.refuse(client);
  }

  /** Disconnects a client whose connection failed; once Nest has bound what it binds, so that it hears of the end. */
  refuse(client: HookClient): void {
    if (this.connecting === client) this.refused.add(client);
    else client.disconnect?.();
  }

  /** Whether a client that is connecting is to be disconnected as soon as everything is bound. */
  isRefused(client: object): boolean {
    return this.refused.has(client);
  }

  /** Calls a hook of the application's gateways. */
  run(name: HookName, hook: Hook, gateway: unknown, client: HookClient, args: unknown[]): unknown {
    let result: unknown;
    try {
      result = hook.call(gateway, client, ...args);
    } catch (error) {
      this.failed(name, hook, gateway, client, error);
      return undefined;
    }
    if (!isPromiseLike(result)) return result;
    const running = Promise.resolve(result).catch((error: unknown) => this.failed(name, hook, gateway, client, error));
    if (name === 'handleDisconnect') {
      this.disconnecting.add(running);
      void running.then(() => this.disconnecting.delete(running));
    }
    return running;
  }

  /** Resolves when all running `handleDisconnect` are done, or the deadline has passed. */
  async settled(): Promise<void> {
    if (this.disconnecting.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.logger.warn(
          `Closing without waiting any longer for handleDisconnect() of ${this.disconnecting.size} clients, ` +
            `which have had ${DISCONNECT_HOOKS_DEADLINE} ms`,
        );
        resolve();
      }, DISCONNECT_HOOKS_DEADLINE);
    });
    await Promise.race([Promise.allSettled(this.disconnecting), deadline]);
    clearTimeout(timer);
  }

  private failed(name: HookName, hook: Hook, instance: unknown, client: HookClient, exception: unknown): void {
    const gateway = this.gateways.get(Object.getPrototypeOf(instance) as object);
    const own = gateway && findHookFilter(gateway, hook, exception);
    const filter =
      own === undefined || own === wsErrorsFilter
        ? (findGlobalFilter(serverContextOf(client)?.filters ?? [], exception) ?? wsErrorsFilter)
        : own;
    const connecting = name === 'handleConnection';
    if (filter === wsErrorsFilter) {
      // what it does not log itself: the client that is gone, and what was thrown on purpose
      if (!connecting) this.logger.error(exception);
      else if (isMeantForClient(exception))
        this.logger.warn(`${gateway?.metatype.name}.${name}() refused client ${client.id}: ${String(exception)}`);
      if (!connecting) return;
    }
    const refuse = connecting ? () => this.refuse(client) : noHook;
    try {
      const answered: unknown = filter.catch(exception, new HookArgumentsHost(client, name));
      if (!isPromiseLike(answered)) refuse();
      else Promise.resolve(answered).catch(this.logError).then(refuse, refuse);
    } catch (error) {
      this.logError(error);
      refuse();
    }
  }

  private readonly logError = (error: unknown): void => this.logger.error(error);
}

/**
 * Puts a protected hook in the place of a gateway's own: on the instance, or, where Nest makes one for each client, on
 * the prototype. A prototype may serve other applications too: their clients are not ours, and go straight to the hook.
 */
function protectHook(gateway: Gateway, name: HookName): void {
  const target = gateway.isStatic ? gateway.instance : (gateway.metatype.prototype as Gateway['instance']);
  const hook = target[name] as (Hook & { [PROTECTED]?: true }) | undefined;
  if (typeof hook !== 'function') {
    // without a hook Nest lets the failure to make such a gateway end the process; with one it asks the filters
    if (!gateway.isStatic) define(gateway.instance, name, noHook);
    return;
  }
  if (hook[PROTECTED]) return;
  const protectedHook = function (this: unknown, client: unknown, ...args: unknown[]): unknown {
    const hooks = serverContextOf(client)?.hooks;
    return hooks ? hooks.run(name, hook, this, client as HookClient, args) : hook.call(this, client, ...args);
  };
  copyMetadata(hook, protectedHook);
  define(protectedHook, 'name', hook.name);
  define(protectedHook, 'length', hook.length);
  define(protectedHook, PROTECTED, true);
  define(target, name, protectedHook);
}

function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}

function noHook(): void {
  // there is nothing to do
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
