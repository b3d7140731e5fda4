import { handshakeOf, rememberHandshake, type Handshake } from './handshake.js';
import { PollingTransport } from './fallback/polling.js';
import { CLOSE, payloads, SEPARATOR } from './packets.js';
import { onPageHide } from './page-hide.js';

/** A function that is called by its number, from scripts of the server: an entry of the global list `___eio`. */
type Callback = (payload: string) => void;

/** The parts of a browser's elements that are used. */
interface Element {
  name: string;
  hidden: boolean;
  addEventListener(type: 'load' | 'error', listener: () => void): void;
  append(...children: Element[]): void;
  remove(): void;
}

interface ScriptElement extends Element {
  src: unknown;
  async: boolean;
  referrerPolicy: string;
}

interface FormElement extends Element {
  action: string;
  method: string;
  target: string;
  acceptCharset: string;
  submit(): void;
}

interface TextArea extends Element {
  value: string;
}

interface FrameElement extends Element {
  readonly contentWindow: { readonly location: { readonly href: string }; readonly document: Document } | null;
}

interface Document {
  readonly readyState: string;
  readonly body: { readonly textContent: string | null; append(...children: Element[]): void };
  readonly head: { append(child: Element): void };
  createElement(name: 'script'): ScriptElement;
  createElement(name: 'form'): FormElement;
  createElement(name: 'textarea'): TextArea;
  createElement(name: 'iframe'): FrameElement;
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}

interface PageGlobals {
  readonly document: Document;
  readonly trustedTypes?: TrustedTypes;
  readonly navigator: { sendBeacon?(url: string, body: URLSearchParams): boolean };
  addEventListener(type: 'load', listener: () => void, options: { once: boolean }): void;
  ___eio?: Callback[];
}

/** What becomes of a request, in the words of engine.io-client's own. */
type Outcome = 'data' | 'success' | 'error';

/** Milliseconds for the first packet, when nothing is known of the server. */
const OPEN_TIMEOUT = 20_000;

/** Bytes of a form for each of a payload, at most: what may not stand in a form is three, and a backslash may be two. */
const FORM_FACTOR = 4;

const LINE_FEED = /\n/g;
const ESCAPED_LINE_FEED = /\\n/g;

/** One request that cannot be taken back, as engine.io-client's polling transport sees it. */
class EmbeddedRequest {
  private readonly listeners = new Map<Outcome, (value?: any) => void>();
  /** Whether nobody waits for it any more. */
  isOver = false;

  on(outcome: Outcome, listener: (value?: any) => void): void {
    this.listeners.set(outcome, listener);
  }

  end(outcome: Outcome, value?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listeners.get(outcome)?.(value);
  }

  /** The browser goes on with it; nobody hears of it. */
  abort(): void {
    this.isOver = true;
  }
}

/**
 * JSONP polling, for `transports` of engine.io-client, socket.io-client and `connect()`: packets come as scripts and go up
 * as forms in hidden frames. Pages only. It needs neither `fetch` nor CORS, and is for networks and browsers in which
 * nothing else is left; every message costs a request.
 *
 * The page's policy has to allow the server in `script-src`, `form-action` and `frame-src`. Cookies go along as the browser
 * sends them with a script, whatever `withCredentials` says; `extraHeaders` are not sent. What becomes of a form cannot be
 * seen where the server is of another origin: one that is refused is lost.
 */
export class JsonpTransport extends PollingTransport {
  private readonly index: number;
  private readonly callbacks: Callback[];
  /** The poll whose script is awaited. */
  private poll: EmbeddedRequest | undefined;
  /** Whether the page goes away: no form leaves it any more, and a browser that keeps it goes on with the poll. */
  private isLeaving = false;
  private readonly onLeave = (): void => void (this.isLeaving = true);

  constructor(opts: any) {
    super(opts);
    this.callbacks = page().___eio ??= [];
    this.index = this.callbacks.length;
    this.callbacks.push((payload) => this.poll?.end('data', payload));
    // on the wire it is a form of polling
    this.query['transport'] = 'polling';
    this.query['j'] = String(this.index);
  }

  override get name(): any {
    return 'jsonp';
  }

  /** 1: it is tried after all others, wherever it stands in a list. */
  get last(): number {
    return 1;
  }

  override doOpen(): void {
    // before others who listen, since they may close it then
    onPageHide('add', this.onLeave);
    super.doOpen();
  }

  override onClose(details?: any): void {
    onPageHide('remove', this.onLeave);
    super.onClose(details);
    this.forgetCallback();
  }

  override onError(reason: string, description: any, context?: any): this {
    onPageHide('remove', this.onLeave);
    return super.onError(reason, description, context);
  }

  override request({ method, data }: { method?: string; data?: string } = {}): any {
    return method === undefined ? this.getScript() : this.postForm(data!);
  }

  override onPacket(packet: any): void {
    if (packet.type === 'open') rememberHandshake(this.socket, JSON.parse(packet.data as string) as Handshake);
    super.onPacket(packet);
  }

  /** Sends a payload in as many forms as the server's limit asks for. */
  override doWrite(data: string, callback: () => void): void {
    const limit = (handshakeOf(this.socket)?.maxPayload ?? Infinity) / FORM_FACTOR;
    const bodies = payloads(data.split(SEPARATOR), limit);
    const next = (): void => super.doWrite(bodies.shift()!, () => (bodies.length > 0 ? next() : callback()));
    next();
  }

  private getScript(): EmbeddedRequest {
    const request = new EmbeddedRequest();
    const { document } = page();
    const script = document.createElement('script');
    script.async = true;
    // the server has to know who asks, whatever the page's policy is
    script.referrerPolicy = 'origin';
    script.src = trusted(this.uri());
    const timer = this.setTimeoutFn(() => request.end('error', 0), this.patience);
    const done = (): void => {
      this.clearTimeoutFn(timer);
      script.remove();
      // has the callback been called, this comes too late
      request.end('error', 0);
      if (this.poll === request) this.poll = undefined;
      this.forgetCallback();
    };
    script.addEventListener('load', done);
    script.addEventListener('error', done);
    this.poll = request;
    const insert = (): void => {
      if (request.isOver) done();
      else document.head.append(script);
    };
    // before that, one script after the other would keep the page's own load event from coming
    if (document.readyState === 'complete') insert();
    else page().addEventListener('load', insert, { once: true });
    return request;
  }

  /** Once nothing can come any more nobody is to be kept for it. */
  private forgetCallback(): void {
    if (this.readyState === 'closed' && this.poll === undefined) this.callbacks[this.index] = ignore;
  }

  private postForm(payload: string): EmbeddedRequest {
    const request = new EmbeddedRequest();
    const { document, navigator } = page();
    if (this.isLeaving && payload === CLOSE) {
      navigator.sendBeacon?.(this.uri(), new URLSearchParams({ d: payload }));
      return request;
    }
    const form = document.createElement('form');
    const text = document.createElement('textarea');
    const frame = document.createElement('iframe');
    const name = `___eio_${this.index}`;
    form.hidden = frame.hidden = true;
    form.action = this.uri();
    form.method = 'POST';
    form.acceptCharset = 'utf-8';
    form.target = frame.name = name;
    text.name = 'd';
    // forms write line feeds in their own way
    text.value = payload.replace(ESCAPED_LINE_FEED, '\\\\n').replace(LINE_FEED, '\\n');
    form.append(text);
    document.body.append(frame, form);
    frame.addEventListener('load', () => {
      const answer = answerIn(frame);
      // of the empty document that a frame begins with
      if (answer === null) return;
      frame.remove();
      if (answer === 'ok') request.end('success');
      else request.end('error', 0);
    });
    form.submit();
    form.remove();
    return request;
  }

  /** Milliseconds in which a poll is answered, at the latest by a ping. */
  private get patience(): number {
    const handshake = handshakeOf(this.socket);
    return handshake === undefined ? OPEN_TIMEOUT : handshake.pingInterval + handshake.pingTimeout;
  }
}

function page(): PageGlobals {
  return globalThis as unknown as PageGlobals;
}

/** What a frame shows: null while it is empty, `ok` where it may not be seen. */
function answerIn({ contentWindow }: FrameElement): string | null {
  try {
    const { location, document } = contentWindow!;
    return location.href === 'about:blank' ? null : document.body.textContent;
  } catch {
    // of another origin: that it has loaded is all that can be known
    return 'ok';
  }
}

/** Policies by the page's Trusted Types, which may allow one of a name only. */
const policies = new WeakMap<TrustedTypes, { createScriptURL(url: string): unknown }>();

/** The address of a script, as pages want it that require Trusted Types: a policy with the name `nestwire`. */
function trusted(url: string): unknown {
  const { trustedTypes } = page();
  if (trustedTypes === undefined) return url;
  let policy = policies.get(trustedTypes);
  if (policy === undefined) {
    policy = trustedTypes.createPolicy('nestwire', { createScriptURL: (text) => text });
    policies.set(trustedTypes, policy);
  }
  return policy.createScriptURL(url);
}

function ignore(): void {
  // a script of a connection that is over
}
