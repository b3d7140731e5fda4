import { UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer, type WsResponse } from '@nestjs/websockets';
import { IsInt, IsString } from 'class-validator';
import { BodyGuard, NO_PINGS, type EchoGateway } from './gateway.js';
import { count, type Notice } from './tally.js';

/** A message as class-validator sees it. */
export class EchoDto {
  @IsInt()
  id!: number;

  @IsString()
  text!: string;
}

/** Answers the acknowledgement of each message that is valid. */
@WebSocketGateway(NO_PINGS)
@UseGuards(BodyGuard)
@UsePipes(new ValidationPipe())
export class ValidatedGateway implements EchoGateway<unknown> {
  @WebSocketServer()
  server!: unknown;

  @SubscribeMessage('echo')
  echo(@MessageBody() data: EchoDto): EchoDto {
    return data;
  }
}

/** Answers each message by an event: what a handler and a stream can both do. */
@WebSocketGateway(NO_PINGS)
@UseGuards(BodyGuard)
@UsePipes(new ValidationPipe())
export class HandlerGateway implements EchoGateway<unknown> {
  @WebSocketServer()
  server!: unknown;

  @SubscribeMessage('echo')
  echo(@MessageBody() data: EchoDto): WsResponse<EchoDto> {
    return { event: 'echoed', data };
  }
}

/** Takes messages and answers nothing. */
@WebSocketGateway(NO_PINGS)
@UseGuards(BodyGuard)
export class NoticeGateway implements EchoGateway<unknown> {
  @WebSocketServer()
  server!: unknown;

  @SubscribeMessage('notice')
  notice(@MessageBody() data: Notice): void {
    count(data);
  }
}
