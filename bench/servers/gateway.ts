import { Injectable, UseGuards, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';

/** The cheapest guard that still has to look at the message, so the guard pipeline runs and nothing else does. */
@Injectable()
export class BodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return typeof context.switchToWs().getData() === 'object';
  }
}

/**
 * Clients that wait for their turn are not to be pinged: thousands of them would have to be heard in between, and those of one row
 * while another is measured.
 */
export const NO_PINGS = { pingInterval: 600_000, pingTimeout: 600_000 };

/** A gateway instance as the servers use it: `server` is whatever the adapter created. */
export interface EchoGateway<Server> {
  server: Server;
}

/**
 * The gateway that every Nest peer serves: `echo` behind a guard, answering with what it got, plus as many more
 * handlers as it takes to have `handlers` of them (they cost memory a connection in some adapters; nobody calls them).
 */
export function echoGateway<Server>(handlers: number): Type<EchoGateway<Server>> {
  @WebSocketGateway(NO_PINGS)
  @UseGuards(BodyGuard)
  class Gateway implements EchoGateway<Server> {
    @WebSocketServer()
    server!: Server;

    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown): unknown {
      return data;
    }
  }
  for (let i = 1; i < handlers; i++) {
    const name = `event${i}`;
    const descriptor: PropertyDescriptor = {
      value: (data: unknown) => data,
      writable: true,
      configurable: true,
      enumerable: false,
    };
    Object.defineProperty(Gateway.prototype, name, descriptor);
    MessageBody()(Gateway.prototype, name, 0);
    SubscribeMessage(name)(Gateway.prototype, name, descriptor);
  }
  return Gateway;
}
