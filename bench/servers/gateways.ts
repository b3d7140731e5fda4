import type { Type } from '@nestjs/common';
import { echoGateway, type EchoGateway } from './gateway.js';
import type { ServerOptions } from './options.js';

// Each is imported only where it is used: class-validator would be in every heap.
const gateways: Record<string, (options: ServerOptions) => Promise<Type<EchoGateway<unknown>>>> = {
  echo: async ({ handlers = 1 }) => echoGateway<unknown>(handlers),
  validated: async () => (await import('./message-gateways.js')).ValidatedGateway,
  handler: async () => (await import('./message-gateways.js')).HandlerGateway,
  stream: async () => (await import('./stream-gateway.js')).StreamGateway,
  notice: async () => (await import('./message-gateways.js')).NoticeGateway,
};

/** The gateway that a server is to serve. */
export function gatewayFor(options: ServerOptions): Promise<Type<EchoGateway<unknown>>> {
  const { gateway = 'echo' } = options;
  const make = gateways[gateway];
  if (make === undefined) throw new Error(`no such gateway: ${gateway}`);
  return make(options);
}
