import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Server, ServerOptions } from 'socket.io';
import { Engine } from '../engine/index.js';
import type { ScaleOut, ScaleOutNode } from '../scale-out/scale-out.js';
import { findProvider } from './find-provider.js';

/**
 * The part of one application in scale-out. Provided by `NestwireModule`, so that the application waits for it before it
 * listens: Nest makes the servers of gateways before it runs this hook.
 */
@Injectable()
export class ApplicationScaleOut implements OnApplicationBootstrap {
  private scaleOut: ScaleOut | null = null;
  private log: (message: string) => void = () => undefined;
  private node: ScaleOutNode | null = null;

  /** The one of an application, or a new one, for which nobody waits. */
  static of(modules: ModulesContainer | undefined): ApplicationScaleOut {
    return findProvider(modules, ApplicationScaleOut) ?? new ApplicationScaleOut();
  }

  /** Says how to scale out, if at all. Nothing is begun before there is a server. */
  use(scaleOut: ScaleOut | null, log: (message: string) => void): void {
    this.scaleOut = scaleOut;
    this.log = log;
  }

  /** The option `adapter` of a server, unless it has one of its own. */
  adapterFor(name: string): ServerOptions['adapter'] | undefined {
    return this.started()?.adapterFor(name);
  }

  /**
   * Whether an emit to one client goes through the adapter, as it does with recovery, and that adapter is the one of
   * {@link adapterFor}: the application may have given its server another one since.
   */
  carriesEmits(server: Server, name: string): boolean {
    const { opts } = server as unknown as { opts: ServerOptions };
    if (this.node === null || !opts?.connectionStateRecovery) return false;
    return server.adapter() === this.node.adapterFor(name);
  }

  /** Has requests for sessions of other nodes brought to them. */
  relay(server: Server, name: string): void {
    const node = this.started();
    const { engine } = server as { engine: unknown };
    // one that the application made itself may have another engine
    if (node === null || !(engine instanceof Engine)) return;
    engine.relay = node.relayFor(name, engine);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.node?.ready;
  }

  /** Leaves the other nodes. After the servers have closed. */
  async close(): Promise<void> {
    const { node } = this;
    this.node = null;
    this.scaleOut = null;
    await node?.close();
  }

  private started(): ScaleOutNode | null {
    return (this.node ??= this.scaleOut?.start({ log: this.log }) ?? null);
  }
}
