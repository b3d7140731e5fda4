import { Injectable } from '@nestjs/common';
import { Emitter, InjectEmitter } from 'nestwire';
import { filter, interval, map } from 'rxjs';
import { BoardService } from './board.service.js';
import type { BoardEvents, ChatLine } from './board.types.js';

/** Milliseconds between two reports. */
const REPORT_EVERY = Number(process.env.BOARD_REPORT_EVERY ?? 3_600_000);

/** Says on a timer how things stand. The timer begins with the application, and ends with it. */
@Injectable()
export class ReportService {
  constructor(@InjectEmitter('board') clients: Emitter<BoardEvents>, board: BoardService) {
    const line$ = interval(REPORT_EVERY).pipe(
      map(() => board.report()),
      filter((line): line is ChatLine => line !== undefined),
    );
    clients.pipe('chat', line$);
  }
}
