import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A board that was started with a BOARD_PASSWORD in its environment is for those who know it. */
@Injectable()
export class PasswordGuard implements CanActivate {
  private readonly expected = process.env.BOARD_PASSWORD ? digest(process.env.BOARD_PASSWORD) : null;

  canActivate(context: ExecutionContext): boolean {
    if (this.expected === null) return true;
    const { password } = context.switchToWs().getData<{ password?: unknown }>();
    if (typeof password !== 'string' || password === '') {
      throw new WsException({ code: 'PASSWORD_NEEDED', message: 'This board has a password' });
    }
    // as long for a password that is nearly right as for any other
    if (timingSafeEqual(digest(password), this.expected)) return true;
    throw new WsException({ code: 'PASSWORD_WRONG', message: 'That is not the password' });
  }
}
