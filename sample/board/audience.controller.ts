import { Controller, Get, HttpException, HttpStatus } from '@nestjs/common';
import { Emitter, IncompleteAnswersError, InjectEmitter } from 'nestwire';
import { catchError, EMPTY, reduce, type Observable } from 'rxjs';
import type { BoardEvents } from './board.types.js';
import { TokenBucket } from './token-bucket.js';

interface Audience {
  /** Pages that have answered. */
  pages: number;
  /** Those of them that somebody looks at. */
  looking: number;
}

@Controller('audience')
export class AudienceController {
  /** For all callers together: it costs one message to every member, and their answers. */
  private readonly bucket = new TokenBucket(1, 5);

  constructor(@InjectEmitter('board') private readonly clients: Emitter<BoardEvents>) {}

  /** Asks all pages. One in the background may be asleep, and is not waited for. `curl localhost:3000/audience` */
  @Get()
  audience(): Observable<Audience> {
    if (!this.bucket.take()) throw new HttpException('Asked too often', HttpStatus.TOO_MANY_REQUESTS);
    return this.clients.request('attention', undefined, { timeout: 1000 }).pipe(
      catchError((error: unknown) => {
        if (error instanceof IncompleteAnswersError) return EMPTY;
        throw error;
      }),
      reduce(({ pages, looking }, isLooking) => ({ pages: pages + 1, looking: looking + Number(isLooking === true) }), {
        pages: 0,
        looking: 0,
      }),
    );
  }
}
