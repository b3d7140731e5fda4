import { afterEach, describe, expect, it } from '@jest/globals';
import { ValidationPipe } from '@nestjs/common';
import { ConnectedSocket, WebSocketGateway, type WsResponse } from '@nestjs/websockets';
import { IsNumber } from 'class-validator';
import { MessageStream, SubscribeStream, type Incoming, type Outgoing } from 'nestwire';
import { map, scan, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { cleanUp, connect, next, startApp } from '../support.js';

class PointDto {
  @IsNumber()
  x!: number;
}

afterEach(cleanUp);

describe('a stream in client scope', () => {
  it('is called once a client, with what has passed the pipes', async () => {
    const calls: string[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('point')
      points(
        @MessageStream(PointDto, new ValidationPipe({ transform: true })) point$: Observable<PointDto>,
        @ConnectedSocket() client: Socket,
      ): Observable<WsResponse<number>> {
        calls.push(client.id);
        return point$.pipe(
          scan((sum, { x }) => sum + x, 0),
          map((data) => ({ event: 'sum', data })),
        );
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    let sum = next(client, 'sum');
    client.emit('point', { x: 1 });
    expect(await sum).toBe(1);
    const failed = await client.emitWithAck('point', { x: 'one' });
    expect(failed).toMatchObject({ status: 'error', statusCode: 400 });
    sum = next(client, 'sum');
    expect(await client.emitWithAck('point', { x: 2 })).toBeUndefined();
    expect(await sum).toBe(3);
    expect(calls).toEqual([client.id]);
  });

  it('in gateway scope', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('vote', { scope: 'gateway' })
      tally(@MessageStream(String) vote$: Observable<Incoming<string>>): Observable<Outgoing> {
        return vote$.pipe(
          scan((count) => count + 1, 0),
          map((data) => ({ event: 'tally', data })),
        );
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const [a, b] = [await connect(url), await connect(url)];
    const first = next(b, 'tally');
    a.emit('vote', 'yes');
    expect(await first).toBe(1);
    const second = next(a, 'tally');
    b.emit('vote', 'yes');
    expect(await second).toBe(2);
  });
});
