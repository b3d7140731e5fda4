import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { listening, stop } from './wire-engine.js';

export interface Cutting {
  port: number;
  /** Responses to GETs that were cut, and POSTs that were cut before their answer. */
  cutResponses: number;
  cutPosts: number;
  close(): Promise<void>;
}

/**
 * A proxy that breaks connections: every response to a GET after a time, and of the POSTs each n-th when the server has
 * applied it, before its answer reaches the client.
 */
export async function cuttingProxy(
  target: number,
  { responseAfter = Infinity, everyPost = Infinity }: { responseAfter?: number; everyPost?: number },
): Promise<Cutting> {
  let posts = 0;
  const server = createServer((incoming: IncomingMessage, answer: ServerResponse) => {
    const { method, url, headers } = incoming;
    const onward = request({ port: target, host: '127.0.0.1', method, path: url, headers, agent: false });
    const cut = () => {
      onward.destroy();
      answer.destroy();
    };
    const cutsThisPost = method === 'POST' && ++posts % everyPost === 0;
    let timer: NodeJS.Timeout | undefined;
    onward.on('error', cut);
    answer.on('close', () => {
      clearTimeout(timer);
      onward.destroy();
    });
    onward.on('response', (response) => {
      response.on('error', cut);
      if (cutsThisPost) {
        proxy.cutPosts++;
        cut();
        return;
      }
      answer.writeHead(response.statusCode!, response.headers);
      answer.flushHeaders();
      response.pipe(answer);
      if (method === 'GET' && responseAfter !== Infinity) {
        timer = setTimeout(() => {
          proxy.cutResponses++;
          cut();
        }, responseAfter);
      }
    });
    incoming.on('error', cut);
    incoming.pipe(onward);
  });
  const proxy: Cutting = { port: await listening(server), cutResponses: 0, cutPosts: 0, close: () => stop(server) };
  return proxy;
}
