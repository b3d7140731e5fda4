import { Injectable } from '@nestjs/common';
import { Emitter, InjectEmitter } from 'nestwire';

/** What the worker says to clients of the board: a part of the board's events. */
interface BoardEvents {
  chat(line: { kind: 'announcement'; name: string; colour: number; text: string; at: number }): void;
}

@Injectable()
export class Announcer {
  constructor(@InjectEmitter('board') private readonly clients: Emitter<BoardEvents>) {}

  /** Returns how many clients, of all nodes, were there to hear it. */
  async announce(text: string): Promise<number> {
    const { length } = await this.clients.sockets();
    this.clients.emit('chat', { kind: 'announcement', name: 'Worker', colour: 0, text, at: Date.now() });
    return length;
  }
}
