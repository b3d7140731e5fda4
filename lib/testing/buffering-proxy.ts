import type { ServerResponse } from 'node:http';
import { startHttpProxy, writeHead, type ProxyOptions, type TestProxy } from './proxy.js';

/** Options of {@link bufferingProxy}. */
export interface BufferingProxyOptions extends ProxyOptions {
  /** Whether the headers pass at once, and the body alone is held. Default false. */
  passesHeaders?: boolean;
  /** Bytes after which what is held is let go. Default: none, a body is held to its end. */
  bufferBytes?: number;
  /** What becomes of upgrades: they pass, or are answered with 400. Default `'refuse'`. */
  upgrades?: 'pass' | 'refuse';
  /** Whether it buffers from the beginning. Default true. */
  buffering?: boolean;
}

/** A proxy that can be told to begin or to stop. */
export interface BufferingProxy extends TestProxy {
  /** Set to true or false at any time; responses that are open go along. */
  buffering: boolean;
}

/**
 * A network that holds responses back until they are complete: the virus scanner, or nginx with its default settings in
 * front of a server that does not say `X-Accel-Buffering: no`. A response that streams never comes.
 */
export async function bufferingProxy(options: BufferingProxyOptions): Promise<BufferingProxy> {
  const { passesHeaders = false, bufferBytes = Infinity, upgrades = 'refuse' } = options;
  let buffering = options.buffering ?? true;
  const releases = new Set<() => void>();
  const proxy = await startHttpProxy(options, {
    upgrade(_message, socket) {
      if (upgrades === 'pass') return false;
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return true;
    },
    answer(answer, response) {
      let held: Buffer[] = [];
      let bytes = 0;
      const release = (): void => {
        if (!response.headersSent) writeHead(answer, response);
        for (const chunk of held) write(response, chunk);
        held = [];
        bytes = 0;
      };
      if (!buffering || passesHeaders) release();
      releases.add(release);
      answer.on('data', (chunk: Buffer) => {
        held.push(chunk);
        bytes += chunk.length;
        if (!buffering || bytes >= bufferBytes) release();
      });
      answer.on('end', () => {
        release();
        response.end();
      });
      response.on('close', () => releases.delete(release));
    },
  });
  return Object.defineProperty(proxy as BufferingProxy, 'buffering', {
    get: () => buffering,
    set: (value: boolean) => {
      buffering = value;
      if (!buffering) for (const release of releases) release();
    },
  });
}

function write(response: ServerResponse, chunk: Buffer): void {
  if (!response.destroyed) response.write(chunk);
}
