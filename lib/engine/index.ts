import { createServer, type Server as HttpServer } from 'node:http';
import { Engine } from './engine.js';
import type { AttachOptions, EngineOptions } from './options.js';

export { Engine, type EngineStats } from './engine.js';
export type { DrainOptions } from './drain.js';
export type { FlashPolicyOptions } from './flash-policy.js';
export type { Relay, RelayedFacts, RelayOwner, RelayStats } from './relay.js';
export { Session, type EngineRequest, type ReadyState, type SendCallback } from './session.js';
export type { AttachOptions, EngineOptions, LimitOptions, OriginRule, ResolvedOptions } from './options.js';
export type { CloseReason } from './close-reason.js';
export type { Middleware } from './middleware.js';
export type { ProtocolVersion } from './protocol/codec.js';
export type { Packet, PacketType, RawData, WriteOptions } from './protocol/packet.js';
export type { Transport } from './transports/transport.js';
export type { TransportName, WebTransportSession } from './transports/registry.js';
export type { WebTransportRequest } from './webtransport-acceptor.js';
export { InvalidOptionError } from './errors.js';

/** Makes an engine and attaches it to an HTTP server. */
export function attach(server: HttpServer, options: EngineOptions & AttachOptions = {}): Engine {
  return new Engine(options).attach(server, options);
}

/**
 * Makes an engine on an HTTP server of its own, which answers 501 to everything else.
 *
 * @param port 0 for any free one.
 * @param listening called when the port is open.
 */
export function listen(
  port: number,
  options: EngineOptions & AttachOptions = {},
  listening?: () => void,
): Engine & { readonly httpServer: HttpServer } {
  const httpServer = createServer((_request, response) => {
    response.writeHead(501);
    response.end('Not Implemented');
  });
  const engine = Object.assign(attach(httpServer, options), { httpServer });
  httpServer.listen(port, listening);
  return engine;
}
