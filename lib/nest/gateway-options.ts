import { isDeepStrictEqual } from 'node:util';
import type { Type } from '@nestjs/common';
import { normalizePath } from '../socket-io/bind-socket-io.js';
import { gatewayOptions, gatewayPort, type GatewayDecoratorOptions } from './nest-metadata.js';

/** Two gateways that share a server want it different. */
export class GatewayOptionsConflictError extends Error {
  override readonly name = 'GatewayOptionsConflictError';

  constructor(
    readonly option: string,
    readonly gateways: readonly [string, string],
    port: number,
    path: string,
  ) {
    super(
      `${gateways[0]} and ${gateways[1]} share one Socket.IO server (${port === 0 ? "the application's port" : `port ${port}`}, ` +
        `path "${path}") but name different values for the option "${option}". Name it on one of them, or in NestwireModule.`,
    );
  }
}

interface OptionSource {
  readonly value: unknown;
  readonly gateway: string;
}

/**
 * The options of every server of an application. Gateways on the same port and path share one server, and Nest makes it
 * with the options of whichever it meets first; here each server gets those of all its gateways.
 */
export class GatewayOptions {
  private readonly servers = new Map<string, Map<string, OptionSource>>();

  /**
   * @param defaultPath the path of gateways that name none.
   * @throws GatewayOptionsConflictError
   */
  constructor(
    gateways: readonly Type[],
    private readonly defaultPath: string | undefined,
  ) {
    for (const gateway of gateways) this.add(gateway);
  }

  /** What names a server among those of one application. */
  serverKey(port: number, path: string | undefined): string {
    return `${port} ${this.path(path)}`;
  }

  /** The path of a server whose gateway names this one, or none. */
  path(path: string | undefined): string {
    return normalizePath(path ?? this.defaultPath);
  }

  /** What the gateways of a server say together, without namespaces. */
  of(port: number, path: string | undefined): Record<string, unknown> {
    const merged: Record<string, unknown> = {};
    for (const [option, { value }] of this.servers.get(this.serverKey(port, path)) ?? []) merged[option] = value;
    return merged;
  }

  private add(gateway: Type): void {
    const port = gatewayPort(gateway);
    const { namespace: _namespace, path, ...options } = gatewayOptions(gateway);
    const key = this.serverKey(port, path);
    const merged = this.servers.get(key) ?? new Map<string, OptionSource>();
    this.servers.set(key, merged);
    for (const [option, value] of Object.entries(options satisfies GatewayDecoratorOptions)) {
      if (value === undefined) continue;
      const earlier = merged.get(option);
      if (earlier !== undefined && !isDeepStrictEqual(earlier.value, value)) {
        throw new GatewayOptionsConflictError(option, [earlier.gateway, gateway.name], port, this.path(path));
      }
      if (earlier === undefined) merged.set(option, { value, gateway: gateway.name });
    }
  }
}
