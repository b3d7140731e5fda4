import { Controller, Get } from '@nestjs/common';
import { BoardService } from './board.service.js';

@Controller()
export class StatusController {
  constructor(private readonly board: BoardService) {}

  @Get('health')
  health() {
    return { status: 'ok', uptime: Math.round(process.uptime()) };
  }

  @Get('state')
  state() {
    return this.board.summary;
  }
}
