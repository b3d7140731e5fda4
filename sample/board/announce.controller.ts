import { Body, Controller, HttpException, HttpStatus, Post } from '@nestjs/common';
import { BoardService } from './board.service.js';
import { TextDto } from './dto/text.dto.js';
import { TokenBucket } from './token-bucket.js';

@Controller('announce')
export class AnnounceController {
  /** For all callers together: an announcement costs one message to every member. */
  private readonly bucket = new TokenBucket(2, 10);

  constructor(private readonly board: BoardService) {}

  /** `curl -H 'content-type: application/json' -d '{"text":"Hello"}' localhost:3000/announce` */
  @Post()
  announce(@Body() body: TextDto): { members: number } {
    if (!this.bucket.take()) throw new HttpException('Too many announcements', HttpStatus.TOO_MANY_REQUESTS);
    return this.board.announce(body.text);
  }
}
