import { UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer, type WsResponse } from '@nestjs/websockets';
import { IsInt, IsString } from 'class-validator';
import { MessageStream, SubscribeStream } from 'nestwire';
import { map, type Observable } from 'rxjs';
import type { Server } from 'socket.io';
import { BodyGuard } from './gateway.js';

class EchoDto {
  @IsInt()
  id!: number;

  @IsString()
  text!: string;
}

/** Answers each message by an event, from a handler. */
@WebSocketGateway()
@UseGuards(BodyGuard)
@UsePipes(new ValidationPipe())
export class HandlerGateway {
  @WebSocketServer()
  server!: Server;

  @SubscribeMessage('echo')
  echo(@MessageBody() data: EchoDto): WsResponse<EchoDto> {
    return { event: 'echoed', data };
  }
}

/** Answers each message by an event, from a stream. */
@WebSocketGateway()
@UseGuards(BodyGuard)
@UsePipes(new ValidationPipe())
export class StreamGateway {
  @WebSocketServer()
  server!: Server;

  @SubscribeStream('echo')
  echo(@MessageStream(EchoDto) echo$: Observable<EchoDto>): Observable<WsResponse<EchoDto>> {
    return echo$.pipe(map((data) => ({ event: 'echoed', data })));
  }
}
