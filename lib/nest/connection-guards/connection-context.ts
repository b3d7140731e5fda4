import type { ExecutionContext, Type } from '@nestjs/common';
import type { Socket } from 'socket.io';
import { HookArgumentsHost } from '../hook-arguments-host.js';

/** Pattern of the context in which connection guards run; what a message's guards find its event's name by. */
const CONNECTION_PATTERN = 'connection';

/**
 * What a connection guard learns: a context of type `ws`, as for a message. The client is the socket.io socket, not
 * connected yet; the data is what it sent along (`handshake.auth`), the pattern `connection`.
 */
export class ConnectionContext extends HookArgumentsHost implements ExecutionContext {
  /**
   * @param gateway its class, for metadata of decorators.
   * @param handler its `handleConnection`, for the same.
   */
  constructor(
    client: Socket,
    private readonly gateway: Type,
    private readonly handler: Function,
  ) {
    super(client, CONNECTION_PATTERN, client.handshake.auth);
  }

  getClass<T>(): Type<T> {
    return this.gateway as Type<T>;
  }

  getHandler(): Function {
    return this.handler;
  }
}
