import { UseGuards, UsePipes, ValidationPipe } from '@nestjs/common';
import { WebSocketGateway, WebSocketServer, type WsResponse } from '@nestjs/websockets';
import { MessageStream, SubscribeStream } from 'nestwire';
import { map, type Observable } from 'rxjs';
import { BodyGuard, NO_PINGS, type EchoGateway } from './gateway.js';
import { EchoDto } from './message-gateways.js';

/** Answers each message by an event, from a stream: `HandlerGateway` is the same from a handler. */
@WebSocketGateway(NO_PINGS)
@UseGuards(BodyGuard)
@UsePipes(new ValidationPipe())
export class StreamGateway implements EchoGateway<unknown> {
  @WebSocketServer()
  server!: unknown;

  @SubscribeStream('echo')
  echo(@MessageStream(EchoDto) echo$: Observable<EchoDto>): Observable<WsResponse<EchoDto>> {
    return echo$.pipe(map((data) => ({ event: 'echoed', data })));
  }
}
