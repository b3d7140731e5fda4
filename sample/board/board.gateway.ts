import { UseGuards } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import type { Server, Socket } from 'nestwire';
import { BoardService } from './board.service.js';
import { CursorDto } from './dto/cursor.dto.js';
import { DrawDto } from './dto/draw.dto.js';
import { JoinDto } from './dto/join.dto.js';
import { PulseDto } from './dto/pulse.dto.js';
import { TextDto } from './dto/text.dto.js';
import { MemberGuard, OpenToAll } from './member.guard.js';
import { RateLimit, RateLimitGuard } from './rate-limit.guard.js';

/** What clients may say. What they hear comes from the service. */
@WebSocketGateway({ namespace: '/board' })
@UseGuards(RateLimitGuard, MemberGuard)
export class BoardGateway implements OnGatewayInit<Server>, OnGatewayConnection<Socket>, OnGatewayDisconnect<Socket> {
  constructor(private readonly board: BoardService) {}

  afterInit(server: Server): void {
    this.board.bind(server);
  }

  handleConnection(client: Socket): void {
    const upgraded = () => this.board.transportChanged(client);
    client.conn.on('upgrade', upgraded);
    client.once('disconnect', () => client.conn.off('upgrade', upgraded));
    if (client.recovered) this.board.comeBack(client);
  }

  handleDisconnect(client: Socket): void {
    this.board.leave(client);
  }

  @SubscribeMessage('join')
  @OpenToAll()
  @RateLimit(1, 5)
  join(@ConnectedSocket() client: Socket, @MessageBody() body: JoinDto) {
    return this.board.join(client, body);
  }

  @SubscribeMessage('draw')
  @RateLimit(60, 240)
  draw(@ConnectedSocket() client: Socket, @MessageBody() body: DrawDto) {
    return this.board.draw(client, body);
  }

  @SubscribeMessage('cursor')
  @RateLimit(40)
  cursor(@ConnectedSocket() client: Socket, @MessageBody() body: CursorDto): void {
    this.board.cursor(client, body);
  }

  @SubscribeMessage('undo')
  @RateLimit(10, 30)
  undo(@ConnectedSocket() client: Socket) {
    return this.board.undo(client);
  }

  @SubscribeMessage('clear')
  @RateLimit(1, 3)
  clear(@ConnectedSocket() client: Socket) {
    return this.board.clear(client);
  }

  @SubscribeMessage('chat')
  @RateLimit(2, 6)
  chat(@ConnectedSocket() client: Socket, @MessageBody() body: TextDto) {
    return this.board.chat(client, body.text);
  }

  @SubscribeMessage('pulse')
  @RateLimit(2, 6)
  pulse(@ConnectedSocket() client: Socket, @MessageBody() body: PulseDto) {
    return this.board.pulse(client, body.rtt);
  }
}
