import { Injectable, ValidationPipe, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { BoardService } from './board.service.js';
import type { Client } from './board.types.js';
import { SignInDto } from './dto/sign-in.dto.js';

/** Nobody gets in without a name that is free. Whom this lets in is known from then on by `client.data`. */
@Injectable()
export class SignInGuard implements CanActivate {
  private readonly validation = new ValidationPipe({
    transform: true,
    whitelist: true, // `auth` has the session to recover, too
    exceptionFactory: ([{ property, constraints = {} }]) =>
      new WsException({ code: `${property.toUpperCase()}_INVALID`, message: Object.values(constraints) }),
  });

  constructor(private readonly board: BoardService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const client = context.switchToWs().getClient<Client>();
    const card: SignInDto = await this.validation.transform(client.handshake.auth, {
      type: 'body',
      metatype: SignInDto,
    });
    client.data.member = this.board.identify(card);
    return true;
  }
}
