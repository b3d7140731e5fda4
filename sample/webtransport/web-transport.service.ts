import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { Engine } from 'nestwire/engine';
import { EchoGateway } from './echo.gateway.js';
import { listen, type Http3 } from './http3.js';

/** Hands the sessions of an HTTP/3 server to the gateway's engine. */
@Injectable()
export class WebTransportService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(WebTransportService.name);
  private http3: Http3 | undefined;

  constructor(private readonly gateway: EchoGateway) {}

  async onApplicationBootstrap(): Promise<void> {
    const { TLS_CERTIFICATE = 'certificate.pem', TLS_KEY = 'key.pem', HTTP3_PORT = '3443' } = process.env;
    try {
      this.http3 = await listen(Number(HTTP3_PORT), '/socket.io/', TLS_CERTIFICATE, TLS_KEY);
    } catch (error) {
      // every other transport works without it
      this.logger.warn((error as Error).message);
      return;
    }
    this.logger.log(`WebTransport on port ${HTTP3_PORT}`);
    void this.accept(this.http3);
  }

  beforeApplicationShutdown(): void {
    this.http3?.stop();
  }

  private async accept({ sessions }: Http3): Promise<void> {
    const engine = this.gateway.server.engine as unknown as Engine;
    try {
      for await (const session of sessions) {
        const { header, peerAddress } = session;
        // without what the client asked, nothing could be checked: neither its origin nor its cookies
        const remoteAddress = peerAddress?.replace(/:\d+$/, '');
        void engine.onWebTransportSession(session, { headers: header, socket: { remoteAddress } });
      }
    } catch (error) {
      this.logger.error(error);
    }
  }
}
