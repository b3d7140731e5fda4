import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { POLICY_REQUEST, policyFile, type FlashPolicy } from './flash-policy.js';

/*
 * A request for a policy file is no HTTP: the parser refuses its first byte, and the server emits 'clientError' with what
 * came. There it is answered, so that no other request pays for it. TCP may deliver it in pieces, each of which is an
 * error of its own.
 *
 * Others listen there too, Fastify for one, and destroy the connection. So their listeners are put aside, called for all
 * that is none of ours, and given back, as the engine does with those of 'request'.
 */

type ClientErrorListener = (this: HttpServer, error: ClientError, socket: Socket) => void;

interface ClientError extends Error {
  readonly code?: string;
  /** The chunk that could not be parsed. */
  readonly rawPacket?: Buffer;
}

/** Milliseconds for the rest of the request, and for the client to take the answer. */
const POLICY_TIMEOUT = 2_000;

/** What Node answers to a client's error when nobody listens. */
const DEFAULT_ANSWERS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers requests for a policy file on an HTTP server's own port. */
export class ClientErrors {
  private readonly policies: FlashPolicy[] = [];
  private readonly earlierListeners: ClientErrorListener[];
  /** Connections that are asking for the file, whose further pieces are errors as well. */
  private readonly asking = new WeakSet<Duplex>();

  constructor(private readonly server: HttpServer) {
    this.earlierListeners = server.listeners('clientError') as ClientErrorListener[];
    server.removeAllListeners('clientError');
    server.on('clientError', this.onClientError);
  }

  add(policy: FlashPolicy): void {
    this.policies.push(policy);
  }

  /** @returns whether another one is left; with the last one the listeners are given back. */
  remove(policy: FlashPolicy): boolean {
    const index = this.policies.indexOf(policy);
    if (index >= 0) this.policies.splice(index, 1);
    if (this.policies.length > 0) return true;
    this.giveBack();
    return false;
  }

  private giveBack(): void {
    const { server } = this;
    const present = server.listeners('clientError') as ClientErrorListener[];
    // somebody has wrapped our listener: it stays, and passes everything on
    if (!present.includes(this.onClientError)) return;
    server.removeAllListeners('clientError');
    for (const listener of [...this.earlierListeners, ...present]) {
      if (listener !== this.onClientError) server.on('clientError', listener);
    }
  }

  private readonly onClientError = (error: ClientError, socket: Socket): void => {
    if (this.asking.has(socket)) return;
    if (this.policies.length > 0 && beginsPolicyRequest(error, socket)) {
      this.asking.add(socket);
      this.collect(socket, error.rawPacket!);
      return;
    }
    if (this.earlierListeners.length > 0) {
      for (const listener of this.earlierListeners) listener.call(this.server, error, socket);
    } else if (this.server.listenerCount('clientError') <= 1) {
      // one that was added after ours answers it
      answerAsNode(error, socket);
    }
  };

  /** Waits for the whole request, answers it, and ends the connection; whatever is not the request cuts it. */
  private collect(socket: Socket, first: Buffer): void {
    let received = 0;
    const timer = setTimeout(() => socket.destroy(), POLICY_TIMEOUT).unref();
    const take = (chunk: Buffer): void => {
      const expected = POLICY_REQUEST.subarray(received, received + chunk.length);
      received += chunk.length;
      if (!expected.equals(chunk)) socket.destroy();
      else if (received === POLICY_REQUEST.length) socket.end(this.file(socket), () => socket.destroySoon());
    };
    socket.on('error', ignoreError);
    socket.on('close', () => clearTimeout(timer));
    socket.on('end', () => received < POLICY_REQUEST.length && socket.destroy());
    socket.on('data', take);
    take(first);
  }

  private file({ localAddress, localPort }: Socket): string {
    return policyFile(this.policies.flatMap((policy) => policy.lines(localAddress, localPort)));
  }
}

/** Whether this is how a connection begins on which nothing else was said. */
function beginsPolicyRequest({ rawPacket }: ClientError, socket: Socket): boolean {
  return (
    rawPacket !== undefined &&
    rawPacket.length > 0 &&
    rawPacket.length === socket.bytesRead &&
    POLICY_REQUEST.subarray(0, rawPacket.length).equals(rawPacket)
  );
}

/** Does what Node does when nobody listens, for since we listen Node does nothing. */
function answerAsNode(error: ClientError, socket: Socket & { _httpMessage?: { headersSent: boolean } | null }): void {
  if (socket.writable && !socket._httpMessage?.headersSent) {
    const answer = DEFAULT_ANSWERS[error.code ?? ''] ?? '400 Bad Request';
    socket.write(`HTTP/1.1 ${answer}\r\nConnection: close\r\n\r\n`);
  }
  socket.destroy(error);
}

function ignoreError(): void {
  // the connection is gone, and 'close' follows
}
