/** An application as a user writes it, in ES modules; `consumers.spec.ts` compiles and runs it against the packed package. */
import 'reflect-metadata';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Catch, Module, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
  type OnGatewayConnection,
} from '@nestjs/websockets';
import {
  Emitter,
  InjectEmitter,
  NestwireAdapter,
  NestwireModule,
  replyError,
  type NestwireOptions,
  type Server,
  type Socket,
} from 'nestwire';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';

@Catch(RangeError)
class RangeFilter implements ExceptionFilter<RangeError> {
  catch(error: RangeError, host: ArgumentsHost): void {
    replyError(host, { status: 'error', message: error.message });
  }
}

interface EchoEvents {
  welcome(transport: string): void;
}

@WebSocketGateway({ namespace: 'echo' })
class EchoGateway implements OnGatewayConnection<Socket> {
  @WebSocketServer() server!: Server;

  constructor(@InjectEmitter('echo') private readonly clients: Emitter<EchoEvents>) {}

  handleConnection(client: Socket): void {
    this.clients.to(client.id).emit('welcome', client.conn.transport.name);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() text: string, @ConnectedSocket() client: Socket): { text: string; id: string } {
    if (text === '') throw new WsException('nothing to echo');
    return { text, id: client.id };
  }
}

const options: NestwireOptions = { pingInterval: 20_000, transports: ['websocket', 'polling'], errors: 'reply' };

@Module({ imports: [NestwireModule.forRoot(options)], providers: [EchoGateway, RangeFilter] })
class AppModule {}

/** The engine alone, beside the application. */
async function startEngine(engineOptions: EngineOptions): Promise<number> {
  const server: HttpServer = createServer();
  new Engine(engineOptions).attach(server).on('connection', (session: Session) => {
    session.on('message', (data: string | Buffer) => session.send(data));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  return (server.address() as AddressInfo).port;
}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(new NestwireAdapter(app));
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
const { port } = (app.getHttpServer() as HttpServer).address() as AddressInfo;
console.log(JSON.stringify({ port, enginePort: await startEngine({ pingTimeout: 5_000 }) }));
