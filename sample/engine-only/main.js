// The engine without Nest: an echo server. Needs `npm run build` once; then `node sample/engine-only/main.js`.
import { createServer } from 'node:http';
import { Engine } from 'nestwire/engine';

const server = createServer((_request, response) => response.end('an Engine.IO server listens on /engine.io/\n'));
const engine = new Engine();
engine.attach(server);
engine.on('connection', (session) => {
  session.on('message', (data) => session.send(data));
});
server.listen(process.env.PORT ?? 3000, () => console.log(`Echo: http://localhost:${server.address().port}`));
