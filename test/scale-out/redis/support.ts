import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Type } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import {
  MessageStream,
  NestwireModule,
  SubscribeStream,
  type NestwireOptions,
  type Server,
  type Socket,
} from 'nestwire';
import { redisScaleOut } from 'nestwire/redis';
import { map, type Observable } from 'rxjs';
import type { Engine } from '../../../lib/engine/index.js';
import type { RelayStats } from '../../../lib/engine/relay.js';
import type { RedisScaleOutOptions } from '../../../lib/scale-out/redis/options.js';
import { afterCase, nestwire, startApp, type RunningApp } from '../../nest/support.js';
import type { RedisServer } from '../../support/redis-server.js';

/** A gateway that does a little of everything. */
@WebSocketGateway()
export class Gateway {
  @WebSocketServer() server!: Server;

  @SubscribeMessage('ack')
  ack(@MessageBody() data: string): string {
    return `${data}!`;
  }

  @SubscribeMessage('answer')
  answer(@MessageBody() data: string): WsResponse<string> {
    return { event: 'answered', data };
  }

  @SubscribeStream('stream')
  stream(@MessageStream() data$: Observable<string>): Observable<string> {
    return data$.pipe(map((data) => `${data} streamed`));
  }

  @SubscribeMessage('local')
  local(@MessageBody() data: string): void {
    this.server.local.emit('said', data);
  }

  @SubscribeMessage('say')
  say(@MessageBody() data: string): void {
    this.server.emit('said', data);
  }

  @SubscribeMessage('fail')
  fail(): void {
    throw new WsException('no');
  }

  @SubscribeMessage('join')
  join(@MessageBody() rooms: string[], @ConnectedSocket() client: Socket): void {
    void client.join(rooms);
  }

  @SubscribeMessage('leave')
  async leave(@MessageBody() room: string, @ConnectedSocket() client: Socket): Promise<string> {
    await client.leave(room);
    return 'left';
  }
}

export interface Node extends RunningApp {
  readonly io: Server;
  /** What has been logged about Redis; by this node, for the log of Nest is one for the whole process. */
  readonly lines: readonly string[];
}

/** Starts one node of an application on the loopback. */
export async function startNode(
  redis: RedisServer,
  scaleOut: RedisScaleOutOptions = {},
  options: NestwireOptions = {},
  providers: Type[] = [Gateway],
): Promise<Node> {
  const relay = { host: '127.0.0.1', ...scaleOut.relay };
  const lines: string[] = [];
  const real = redisScaleOut({ url: redis.url, ...scaleOut, relay });
  const log = (line: string): void => void (line.includes('Redis') && lines.push(line));
  const running = await startApp({
    imports: [NestwireModule.forRoot({ ...options, scaleOut: { start: () => real.start({ log }) } })],
    providers,
    adapter: nestwire(),
  });
  return {
    ...running,
    io: running.app.get<Gateway>(providers[0]!).server,
    lines,
  };
}

/** The numbers about a node's relay. */
export function relayStats(io: Server): RelayStats {
  return (io.engine as unknown as Engine & { relay: { stats(): RelayStats } }).relay.stats();
}

/** Asks again until something holds; the runner's time limit ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const PROGRAM = join(process.cwd(), 'test', 'scale-out', 'redis', 'node-app.mjs');

/** A node in a process of its own; needs the built package. */
export async function startProcess(
  redis: RedisServer,
  scaleOut: RedisScaleOutOptions = {},
  options: NestwireOptions = {},
): Promise<{ child: ChildProcess; url: string }> {
  const settings = { scaleOut: { url: redis.url, relay: { host: '127.0.0.1' }, ...scaleOut }, options };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  afterCase(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const output = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(output, 'line'), exited])) as [unknown];
  const [, port] = /^listening: (\d+)$/.exec(String(line)) ?? [];
  if (port === undefined) throw new Error(`the process ended: ${String(line)}`);
  return { child, url: `http://127.0.0.1:${port}` };
}
