import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { WsException } from '@nestjs/websockets';
import { TokenBucket } from './token-bucket.js';

interface Rate {
  perSecond: number;
  burst: number;
}

const RATE = 'board:rate';
const DEFAULT_RATE: Rate = { perSecond: 5, burst: 10 };

/** How often one client may send a message. */
export const RateLimit = (perSecond: number, burst = perSecond * 2): MethodDecorator =>
  SetMetadata(RATE, { perSecond, burst } satisfies Rate);

/** Refuses a client that sends one kind of message too often. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly buckets = new WeakMap<object, Map<string, TokenBucket>>();

  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    const ofClient = this.bucketsOf(context.switchToWs().getClient<object>());
    let bucket = ofClient.get(handler.name);
    if (!bucket) {
      const rate = this.reflector.get<Rate | undefined>(RATE, handler) ?? DEFAULT_RATE;
      ofClient.set(handler.name, (bucket = new TokenBucket(rate.perSecond, rate.burst)));
    }
    if (bucket.take()) return true;
    throw new WsException({ status: 'error', code: 'RATE_LIMITED', message: 'Too many messages: please slow down' });
  }

  private bucketsOf(client: object): Map<string, TokenBucket> {
    let buckets = this.buckets.get(client);
    if (!buckets) this.buckets.set(client, (buckets = new Map()));
    return buckets;
  }
}
