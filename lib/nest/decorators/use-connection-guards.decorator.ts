import { UseGuards, type CanActivate } from '@nestjs/common';
import type { Enhancer } from '../enhancers.js';
import { copyMetadata } from '../nest-metadata.js';
import { serverContextOfServer } from '../server-context.js';

/** On a gateway class: its connection guards. */
const CONNECTION_GUARDS = Symbol('nestwire.connectionGuards');

/**
 * Name of a method that nobody calls. Nest makes the guards of each method of a gateway, in the gateway's module, whether
 * the method is a handler or not; and handlers do not get the guards of another method.
 */
const HOLDER = 'nestwire:connectionGuards';

type Hook = ((this: unknown, server: object) => unknown) & { [CONNECTION_GUARDS]?: true };
type Prototype = Record<string, unknown> & { afterInit?: Hook };

/**
 * Guards that decide whether a client may connect to a gateway: before its namespace accepts it, so before
 * `handleConnection`, before middlewares, and before connection state recovery sends anything. Classes are made by Nest
 * in the gateway's module. A guard gets the context of a message: the client, what it sent along as data
 * (`handshake.auth`), the pattern `connection`, the gateway's class, and `handleConnection` as the handler.
 *
 * ```ts
 * @WebSocketGateway({ namespace: 'board' })
 * @UseConnectionGuards(MemberGuard)
 * export class BoardGateway {}
 * ```
 *
 * `false`, a WsException or an HttpException below 500 refuse the client, which learns it by a `connect_error`. Whatever
 * else a guard throws, or one that does not decide in time (`connectionGuardTimeout`), closes the connection, and stock
 * clients try again. Guards of a parent class hold for its children, and come first.
 *
 * Only {@link NestwireAdapter} runs them: with another adapter the application does not start.
 */
export function UseConnectionGuards(...guards: Enhancer<CanActivate>[]): ClassDecorator {
  return (target) => {
    const all = [...connectionGuardsOf(target), ...guards];
    Reflect.defineMetadata(CONNECTION_GUARDS, all, target);
    const prototype = target.prototype as Prototype;
    const holder = { value: () => {}, configurable: true };
    // the decorator of Nest, on a method: it checks what is given, too
    UseGuards(...all)(prototype, HOLDER, holder);
    Object.defineProperty(prototype, HOLDER, holder);
    insistOnAdapter(prototype, target.name);
  };
}

/** The connection guards of a gateway class, in the order in which they are asked. */
export function connectionGuardsOf(gateway: object): readonly Enhancer<CanActivate>[] {
  return (Reflect.getMetadata(CONNECTION_GUARDS, gateway) as Enhancer<CanActivate>[] | undefined) ?? [];
}

/** Guards that nobody runs are worse than none: a gateway that is connected to another adapter's server says so. */
function insistOnAdapter(prototype: Prototype, gateway: string): void {
  const { afterInit } = prototype;
  if (afterInit?.[CONNECTION_GUARDS]) return;
  const insisting: Hook = function (this: unknown, server: object): unknown {
    if (serverContextOfServer(server)?.connectionGuards === undefined) {
      throw new Error(
        `${gateway} has connection guards, and its server does not run them. Use NestwireAdapter, made with the ` +
          'application: app.useWebSocketAdapter(new NestwireAdapter(app))',
      );
    }
    return afterInit?.call(this, server);
  };
  if (afterInit !== undefined) copyMetadata(afterInit, insisting);
  insisting[CONNECTION_GUARDS] = true;
  Object.defineProperty(prototype, 'afterInit', { value: insisting, writable: true, configurable: true });
}
