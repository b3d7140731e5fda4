import { Module, ValidationPipe } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { NestwireModule } from 'nestwire';
import { redisScaleOut } from 'nestwire/redis';
import { AnnounceController } from './announce.controller.js';
import { AudienceController } from './audience.controller.js';
import { BoardGateway } from './board.gateway.js';
import { BoardService } from './board.service.js';
import { ReportService } from './report.service.js';
import { StatusController } from './status.controller.js';

@Module({
  imports: [
    NestwireModule.forRoot({
      // All that the page lets one choose from (public/js/transports.js); the defaults leave out multipart and legacy ones.
      // No flashsocket: no browser has a Flash player. No webtransport: it needs a server of HTTP/3.
      transports: ['websocket', 'eventsource', 'multipart', 'htmlfile', 'polling', 'jsonp'],
      // An undo waits for the strokes that were sent before it.
      ordering: 'client',
      // Who was away for less than this gets what it missed; who was away longer gets the whole board again.
      connectionStateRecovery: { maxDisconnectionDuration: 30_000 },
      // With Redis other processes reach its clients: sample/worker does. What is drawn stays with each board.
      scaleOut: process.env.REDIS_URL ? redisScaleOut({ url: process.env.REDIS_URL }) : undefined,
    }),
  ],
  controllers: [AnnounceController, AudienceController, StatusController],
  providers: [
    BoardGateway,
    BoardService,
    ReportService,
    // For the REST routes and, since Nest 12, for the gateway too.
    {
      provide: APP_PIPE,
      useFactory: () => new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }),
    },
  ],
})
export class BoardModule {}
