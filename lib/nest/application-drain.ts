import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Server } from 'socket.io';
import { Engine } from '../engine/index.js';
import { ClientRoutes } from './client-routes.js';
import { findProvider } from './find-provider.js';

/**
 * Has the clients of one application leave when it is shut down. Provided by `NestwireModule`: the first hook that Nest runs
 * is the only one at which services and servers are all there still.
 */
@Injectable()
export class ApplicationDrain implements OnModuleDestroy {
  private deadline = 0;
  private servers: ReadonlyMap<string, Server> = new Map();

  /** The one of an application, or one that nobody calls. */
  static of(modules: ModulesContainer | undefined): ApplicationDrain {
    return findProvider(modules, ApplicationDrain) ?? new ApplicationDrain();
  }

  /**
   * @param deadline milliseconds; 0: nobody is asked to leave.
   * @param servers those of the application, at any time.
   */
  use(deadline: number, servers: ReadonlyMap<string, Server>): void {
    this.deadline = deadline;
    this.servers = servers;
  }

  async onModuleDestroy(): Promise<void> {
    const { deadline } = this;
    if (deadline === 0) return;
    await Promise.all(
      [...this.servers.values()].map((server) => {
        const engine = server.engine as unknown;
        // one that the application made itself may have another engine
        return engine instanceof Engine ? engine.drain({ deadline, busy: () => busySessions(server) }) : undefined;
      }),
    );
  }
}

/** The sessions of clients whose messages are still being handled. */
function busySessions(server: Server): Set<unknown> {
  const busy = new Set<unknown>();
  for (const { sockets } of server._nsps.values()) {
    for (const client of sockets.values()) if (ClientRoutes.isBusy(client)) busy.add(client.conn);
  }
  return busy;
}
