import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { ConnectionRefusal, Socket } from 'nestwire';
import { client } from './support.js';

/** A guard that does what the client asks of it. */
export const guard = (decide: (context: ExecutionContext) => unknown): CanActivate => ({
  canActivate: (context) => decide(context) as boolean,
});

export const clientOf = (context: ExecutionContext): Socket => context.switchToWs().getClient<Socket>();

export type Refused = Error & { data: ConnectionRefusal };

/** The error that a client is refused with. */
export function refusal(url: string, options = {}): Promise<Refused> {
  const socket = client(url, options);
  return new Promise((resolve, reject) => {
    socket.once('connect_error', (error) => resolve(error as Refused));
    socket.once('connect', () => reject(new Error('was let in')));
    socket.once('disconnect', (reason) => reject(new Error(`was closed: ${reason}`)));
    socket.connect();
  });
}
