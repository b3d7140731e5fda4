import { encodeFrame, FrameError, FrameParser, OPCODE } from './frames.js';
import { FlashPipe, type PipeSink, type Player } from './pipe.js';
import { Upgrade, UpgradeError, type UpgradeTarget } from './upgrade.js';

/** Most bytes of a message that comes. */
const MAX_MESSAGE = 64 * 1024 * 1024;

const NORMAL_CLOSURE = 1000;

/** Who uses a WebSocket. */
export interface WebSocketSink {
  opened(): void;
  message(data: string | ArrayBuffer): void;
  /** All that was given to `send()` has left. */
  sent(): void;
  /** The other side has ended it, in order. */
  closed(): void;
  failed(problem: string): void;
}

/** What it is connected to. */
export interface WebSocketTarget extends UpgradeTarget {
  readonly address: { readonly host: string; readonly port: number };
}

/** A WebSocket (RFC 6455) over a TCP connection of a Flash movie. */
export class FlashWebSocket implements PipeSink {
  private readonly pipe: FlashPipe;
  private readonly request: string;
  /** Null: it has been answered. */
  private upgrade: Upgrade | null;
  private readonly parser: FrameParser;
  private isOver = false;

  /** @throws UpgradeError when the target has what no request can have. */
  constructor(
    target: WebSocketTarget,
    private readonly sink: WebSocketSink,
    owner: ConstructorParameters<typeof FlashPipe>[2],
  ) {
    this.upgrade = new Upgrade(target, random(16));
    this.request = this.upgrade.request();
    this.parser = new FrameParser(MAX_MESSAGE, {
      message: (data) => this.isOver || sink.message(typeof data === 'string' ? data : data.buffer),
      ping: (payload) => this.write(OPCODE.PONG, payload),
      close: () => this.finish(() => sink.closed()),
    });
    this.pipe = new FlashPipe(target.address, this, owner);
  }

  open(create: (failed: (problem: string) => void) => Player): void {
    this.pipe.open(create);
  }

  send(data: string | Uint8Array): void {
    if (typeof data === 'string') this.write(OPCODE.TEXT, new TextEncoder().encode(data));
    else this.write(OPCODE.BINARY, data);
  }

  /** Says goodbye, and ends. @param isLast whether the page goes away, so that there is no later. */
  close(isLast = false): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.upgrade === null) this.writeClose(NORMAL_CLOSURE);
    if (isLast) this.pipe.closeNow();
    else this.pipe.close();
  }

  // What the pipe calls.

  opened(): void {
    this.pipe.send(new TextEncoder().encode(this.request));
  }

  bytes(chunk: Uint8Array): void {
    let frames: Uint8Array | null = chunk;
    try {
      if (this.upgrade !== null) {
        frames = this.upgrade.push(chunk);
        if (frames === null) return;
        this.upgrade = null;
        this.sink.opened();
      }
      if (!this.isOver) this.parser.push(frames);
    } catch (error) {
      // others are of those who listen
      if (!(error instanceof UpgradeError || error instanceof FrameError)) throw error;
      if (error instanceof FrameError) this.writeClose(error.code);
      this.finish(() => this.sink.failed(error.message));
    }
  }

  sent(): void {
    if (!this.isOver && this.upgrade === null) this.sink.sent();
  }

  ended(problem: string | undefined): void {
    this.finish(() => this.sink.failed(problem ?? 'the connection ended'));
  }

  private write(opcode: number, payload: Uint8Array): void {
    this.pipe.send(encodeFrame(opcode, payload, random(4)));
  }

  private writeClose(code: number): void {
    this.write(OPCODE.CLOSE, Uint8Array.of(code >> 8, code & 0xff));
  }

  private finish(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pipe.close();
    tell();
  }
}

/** Bytes that nobody can foretell; pages without TLS have them as well. */
function random(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}
