import 'reflect-metadata';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { NestwireAdapter } from 'nestwire';
import { BoardModule } from './board.module.js';
import { securityHeaders } from './security-headers.js';

// The same place seen from here (sample/board) and from the compiled file (dist-sample/board).
const PUBLIC = fileURLToPath(new URL('../../sample/board/public', import.meta.url));

const app = await NestFactory.create<NestExpressApplication>(BoardModule, {
  logger: ['error', 'warn'],
  bodyParser: false,
});
app.useWebSocketAdapter(new NestwireAdapter(app));
app.disable('x-powered-by');
app.use(securityHeaders);
// JSON and nothing else: a form on somebody else's page can post without asking, JSON needs a CORS permission.
app.useBodyParser('json', { limit: '16kb' });
app.useStaticAssets(PUBLIC);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000);

const { port } = app.getHttpServer().address() as { port: number };
console.log(`Board: http://localhost:${port}`);
