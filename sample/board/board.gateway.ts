import { UseGuards } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
} from '@nestjs/websockets';
import { MessageStream, reply, SubscribeStream, UseConnectionGuards, type Incoming, type Outgoing } from 'nestwire';
import { auditTime, filter, ignoreElements, map, scan, tap, type Observable } from 'rxjs';
import { batched } from './batched.js';
import { BoardService } from './board.service.js';
import type { BoardEvents, Client } from './board.types.js';
import { CursorDto } from './dto/cursor.dto.js';
import { DrawDto } from './dto/draw.dto.js';
import { PulseDto } from './dto/pulse.dto.js';
import { ReactionDto } from './dto/reaction.dto.js';
import { TextDto } from './dto/text.dto.js';
import { PasswordGuard } from './password.guard.js';
import { RateLimit, RateLimitGuard } from './rate-limit.guard.js';
import { SignInGuard } from './sign-in.guard.js';

/** What clients may say. What they hear comes from the service. */
@WebSocketGateway({ namespace: '/board' })
@UseConnectionGuards(PasswordGuard, SignInGuard)
@UseGuards(RateLimitGuard)
export class BoardGateway implements OnGatewayConnection<Client>, OnGatewayDisconnect<Client> {
  constructor(private readonly board: BoardService) {}

  handleConnection(client: Client): void {
    const upgraded = () => this.board.transportChanged(client);
    client.conn.on('upgrade', upgraded);
    client.once('disconnect', () => client.conn.off('upgrade', upgraded));
    this.board.join(client);
  }

  handleDisconnect(client: Client): void {
    this.board.leave(client);
  }

  /** One stream for each client: the page hears at once how much has arrived, the others hear of it in batches. */
  @SubscribeStream('draw', { ack: 'manual' })
  @RateLimit(90, 300)
  draw(
    @MessageStream(DrawDto) draw$: Observable<Incoming<DrawDto>>,
    @ConnectedSocket() client: Client,
  ): Observable<Outgoing<BoardEvents>> {
    return draw$.pipe(
      reply(({ data }) => this.board.draw(client, data)),
      map(({ data }) => data.id),
      batched(40),
      map((ids) => this.board.news(client, ids)),
      filter((news) => news.length > 0),
      map((data) => ({ event: 'strokes', data, except: client.id })),
    );
  }

  /** One stream for all clients: everybody gets one message about everybody who has moved, instead of one a movement. */
  @SubscribeStream('cursor', { scope: 'gateway' })
  @RateLimit(40)
  cursors(@MessageStream(CursorDto) cursor$: Observable<Incoming<CursorDto>>): Observable<never> {
    return cursor$.pipe(
      batched(50),
      tap((batch) => this.board.point(batch)),
      ignoreElements(),
    );
  }

  /** One stream for all clients, which counts: however many react, the tally goes out ten times a second at most. */
  @SubscribeStream('react', { scope: 'gateway' })
  @RateLimit(5, 15)
  tally(@MessageStream(ReactionDto) reaction$: Observable<Incoming<ReactionDto>>): Observable<Outgoing<BoardEvents>> {
    return reaction$.pipe(
      scan((tally, { data: { reaction } }) => ({ ...tally, [reaction]: tally[reaction] + 1 }), this.board.tally),
      tap((tally) => (this.board.tally = tally)), // for newcomers
      auditTime(100),
      map((data) => ({ event: 'tally', data })),
    );
  }

  @SubscribeMessage('undo')
  @RateLimit(10, 30)
  undo(@ConnectedSocket() client: Client) {
    return this.board.undo(client);
  }

  @SubscribeMessage('clear')
  @RateLimit(1, 3)
  clear(@ConnectedSocket() client: Client) {
    return this.board.clear(client);
  }

  @SubscribeMessage('chat')
  @RateLimit(2, 6)
  chat(@ConnectedSocket() client: Client, @MessageBody() body: TextDto) {
    return this.board.chat(client, body.text);
  }

  @SubscribeMessage('pulse')
  @RateLimit(2, 6)
  pulse(@ConnectedSocket() client: Client, @MessageBody() body: PulseDto) {
    return this.board.pulse(client, body.rtt);
  }
}
