import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { WsException } from '@nestjs/websockets';
import type { Socket } from 'nestwire';
import type { MemberData } from './board.types.js';

const OPEN_TO_ALL = 'board:open-to-all';

/** Marks a message that clients may send before they have joined. */
export const OpenToAll = (): MethodDecorator => SetMetadata(OPEN_TO_ALL, true);

/** Only those who have joined with a name may draw, chat or see anything. */
@Injectable()
export class MemberGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.get<boolean | undefined>(OPEN_TO_ALL, context.getHandler())) return true;
    const { member } = context.switchToWs().getClient<Socket>().data as MemberData;
    if (member) return true;
    throw new WsException('Join the board with a name first');
  }
}
