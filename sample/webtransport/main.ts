import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NestwireAdapter, NestwireModule } from 'nestwire';
import { EchoGateway } from './echo.gateway.js';
import { WebTransportService } from './web-transport.service.js';

/*
 * An echo over every transport that browsers prefer today, WebTransport among them:
 *
 *   npm install @fails-components/webtransport @fails-components/webtransport-transport-http3-quiche
 *   TLS_CERTIFICATE=certificate.pem TLS_KEY=key.pem node dist-sample/webtransport/main.js
 *
 * Browsers take a certificate that they trust, or one of ECDSA for at most 14 days whose hash the page gives them
 * (`transportOptions.webtransport.serverCertificateHashes`). Without the package the other transports are there.
 */
@Module({
  imports: [NestwireModule.forRoot({ transports: ['webtransport', 'websocket', 'eventsource', 'polling'] })],
  providers: [EchoGateway, WebTransportService],
})
class WebTransportModule {}

const app = await NestFactory.create(WebTransportModule);
app.useWebSocketAdapter(new NestwireAdapter(app));
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000);
