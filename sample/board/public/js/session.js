/** What `nestwire.js` has put there, by its script tag. */
const { connect } = globalThis.nestwire;

const ACK_TIMEOUT = 8_000;
const PULSE_EVERY = 1_000;
const HEARD = ['presence', 'strokes', 'removed', 'cleared', 'cursors', 'chat', 'tally'];

/** Says who this tab is after a reload or a reconnect. A secret: the server shows its hash only. */
function tabKey() {
  let key = sessionStorage.getItem('board.key');
  if (!key) {
    key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    sessionStorage.setItem('board.key', key);
  }
  return key;
}

/** The message inside an error payload: a text or, from the validation pipe, a list of texts. */
const messageOf = (payload) => [payload?.message ?? 'Something went wrong'].flat().join('; ');

/** An answer that did not come, so that nobody knows whether the message arrived. */
export class LostError extends Error {}

/**
 * The connection to the board.
 *
 * Dispatches what the server says under its own names, and `welcome`, `back` (reconnected, nothing missed), `state`
 * (`{ state, attempt }`), `rtt` (`{ rtt, transport }`) and `problem` (a text). Of the way there it tells `attempts`
 * (`{ attempts, cause }`: a connection is being made, and these are its attempts, which go on changing), `fallback` (one of
 * them failed) and `transport` (the one in use, '' for none).
 */
export class Session extends EventTarget {
  me = null;
  limits = null;
  joined = false;
  #name = null;
  #colour = undefined;
  #socket = null;
  #engine = null;
  #rtt = undefined;
  #pulseTimer = 0;

  /**
   * @param {string[]} transports best first
   * @param {'opened' | 'chosen'} cause
   */
  connect(transports, cause) {
    this.#socket?.disconnect();
    clearTimeout(this.#pulseTimer);
    this.joined = false;
    this.#state('connecting');
    const socket = (this.#socket = connect('/board', {
      forceNew: true,
      transports,
      // What the tab remembers saves the next page a detour. Who chooses wants to see what gets through now.
      remember: cause === 'opened',
      onFallback: () => this.#emit('fallback'),
      reconnectionDelay: 500,
      reconnectionDelayMax: 4_000,
    }));
    this.#follow(socket, cause);
    socket.on('connect', () => this.#connected());
    socket.on('disconnect', (reason) => this.#disconnected(socket, reason));
    socket.on('connect_error', (error) => {
      if (socket.active) return; // it tries again by itself
      this.#emit('problem', error.message);
      setTimeout(() => this.#connectAgain(socket), 3_000);
    });
    socket.io.on('reconnect_attempt', (attempt) => {
      this.#state('reconnecting', attempt);
      queueMicrotask(() => this.#follow(socket, 'lost')); // made right after this event
    });
    socket.on('exception', (payload) => this.#emit('problem', messageOf(payload)));
    socket.on('welcome', (welcome) => this.#welcomed(welcome));
    for (const event of HEARD) socket.on(event, (payload) => this.#emit(event, payload));
  }

  /** Resolves once the server has agreed; the name is used again after every reconnect. */
  async join(name) {
    await this.#ask('join', { name, key: tabKey(), colour: this.#colour });
    this.#name = name;
  }

  /** The one in use; '' without a connection. */
  get transport() {
    return this.#socket?.connected ? this.#socket.io.engine.transport.name : '';
  }

  /** Sends and waits for the answer. Rejects with the server's words, or with a LostError when there is no answer. */
  request(event, data = {}) {
    return this.joined ? this.#ask(event, data) : Promise.reject(new LostError('Not connected right now'));
  }

  /** Sends without asking for an answer. */
  tell(event, data) {
    if (this.joined) this.#socket.emit(event, data);
  }

  /** Sends if it can go out at once. */
  whisper(event, data) {
    if (this.joined) this.#socket.volatile.emit(event, data);
  }

  async #ask(event, data) {
    let answer;
    try {
      answer = await this.#socket.timeout(ACK_TIMEOUT).emitWithAck(event, data);
    } catch (error) {
      throw new LostError('The server did not answer', { cause: error });
    }
    if (answer?.status === 'error') throw new Error(messageOf(answer));
    return answer;
  }

  /** Every connection has an engine of its own. */
  #follow(socket, cause) {
    const { engine } = socket.io;
    if (socket !== this.#socket || engine === this.#engine) return;
    this.#engine = engine;
    this.#emit('attempts', { attempts: engine.attempts, cause });
    engine.on('upgrade', () => this.transport && this.#emit('transport', this.transport));
  }

  #connectAgain(socket) {
    if (socket !== this.#socket) return;
    socket.connect();
    this.#follow(socket, 'lost');
  }

  #connected() {
    this.#emit('transport', this.transport);
    if (this.#socket.recovered && this.me) {
      this.joined = true;
      this.#state('joined');
      this.#emit('back');
      this.#pulse();
    } else if (this.#name) {
      this.join(this.#name).catch((error) => this.#emit('problem', error.message));
    } else {
      this.#state('connected');
    }
  }

  #welcomed(welcome) {
    this.me = welcome.you;
    this.limits = welcome.limits;
    this.#colour = welcome.you.colour;
    this.joined = true;
    this.#emit('welcome', welcome);
    this.#state('joined');
    this.#pulse();
  }

  #disconnected(socket, reason) {
    if (socket !== this.#socket || reason === 'io client disconnect') return;
    this.joined = false;
    this.#emit('transport', '');
    clearTimeout(this.#pulseTimer);
    this.#state('reconnecting', 0);
    if (reason === 'io server disconnect') setTimeout(() => this.#connectAgain(socket), 1_000);
  }

  async #pulse() {
    clearTimeout(this.#pulseTimer);
    const socket = this.#socket;
    const isFirst = this.#rtt === undefined;
    const start = performance.now();
    try {
      await this.#ask('pulse', { rtt: this.#rtt });
      this.#rtt = Math.min(60_000, performance.now() - start);
      this.#emit('rtt', { rtt: this.#rtt, transport: this.transport });
    } catch (error) {
      if (!(error instanceof LostError)) this.#emit('problem', error.message);
    }
    // The first measurement is told at once, so that the others need not wait for it.
    if (this.joined && socket === this.#socket) {
      this.#pulseTimer = setTimeout(() => this.#pulse(), isFirst ? 200 : PULSE_EVERY);
    }
  }

  #state(state, attempt) {
    if (state !== 'joined') this.#rtt = undefined;
    this.#emit('state', { state, attempt });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
