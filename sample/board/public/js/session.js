import { connect } from './client.js';

const ACK_TIMEOUT = 8_000;
const PULSE_EVERY = 1_000;
/** Who was sent away by the server asks again after so many milliseconds. */
const SENT_AWAY_FOR = 1_000;
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
export const messageOf = (payload) => [payload?.message ?? 'Something went wrong'].flat().join('; ');

/** An answer that did not come, so that nobody knows whether the message arrived. */
export class LostError extends Error {}

/**
 * The connection to the board.
 *
 * Dispatches what the server says under its own names, and `welcome`, `back` (reconnected, nothing missed), `refused` (not let
 * in: the `data` of the connect_error, with `code` and `message`), `state` (`{ state, attempt }`), `rtt`
 * (`{ rtt, transport }`) and `problem` (a text). Of the way there it tells `attempts` (`{ attempts, cause }`: a connection is
 * being made, and these are its attempts, which go on changing), `fallback` (one of them failed) and `transport` (the one in
 * use, '' for none).
 */
export class Session extends EventTarget {
  me = null;
  limits = null;
  joined = false;
  /** What one signs in with, at every reconnect again; null for nobody yet. */
  #card = null;
  #colour = undefined;
  /** The main namespace, which is open to all: so there is a connection while somebody still thinks of a name. */
  #lobby = null;
  #board = null;
  #engine = null;
  #rtt = undefined;
  #pulseTimer = 0;

  /**
   * @param {string[]} transports best first
   * @param {'opened' | 'chosen'} cause
   */
  connect(transports, cause) {
    this.#lobby?.disconnect();
    this.#board?.disconnect();
    clearTimeout(this.#pulseTimer);
    this.joined = false;
    this.#state('connecting');
    const lobby = (this.#lobby = connect('/', {
      forceNew: true,
      autoConnect: false,
      transports,
      // What the tab remembers saves the next page a detour. Who chooses wants to see what gets through now.
      remember: cause === 'opened',
      onFallback: () => this.#emit('fallback'),
      reconnectionDelay: 500,
      reconnectionDelayMax: 4_000,
    }));
    lobby.on('connect', () => this.#connected());
    lobby.on('disconnect', (reason) => this.#disconnected(lobby, reason));
    lobby.io.on('reconnect_attempt', (attempt) => {
      this.#state('reconnecting', attempt);
      queueMicrotask(() => this.#follow(lobby, 'lost')); // made right after this event
    });
    this.#board = this.#boardOf(lobby.io);
    lobby.connect();
    if (this.#card) this.#board.connect();
    this.#follow(lobby, cause);
  }

  /** Asks to be let in. What comes of it are the events `welcome` and `refused`; until there is a connection, none. */
  signIn(card) {
    this.#card = card;
    if (!this.#board.active) this.#board.connect();
  }

  /** The one in use; '' without a connection. */
  get transport() {
    return this.#lobby?.connected ? this.#lobby.io.engine.transport.name : '';
  }

  /** Sends and waits for the answer. Rejects with the server's words and `code`, or with a LostError when there is no answer. */
  request(event, data = {}) {
    return this.joined ? this.#ask(event, data) : Promise.reject(new LostError('Not connected right now'));
  }

  /** Sends without asking for an answer. */
  tell(event, data) {
    if (this.joined) this.#board.emit(event, data);
  }

  /** Sends if it can go out at once. */
  whisper(event, data) {
    if (this.joined) this.#board.volatile.emit(event, data);
  }

  async #ask(event, data) {
    let answer;
    try {
      answer = await this.#board.timeout(ACK_TIMEOUT).emitWithAck(event, data);
    } catch (error) {
      throw new LostError('The server did not answer', { cause: error });
    }
    if (answer?.status === 'error') throw Object.assign(new Error(messageOf(answer)), { code: answer.code });
    return answer;
  }

  #boardOf(manager) {
    const board = manager.socket('/board', {
      auth: (send) => send({ ...this.#card, key: tabKey(), colour: this.#colour }),
    });
    board.on('connect', () => board.recovered && this.me && this.#cameBack());
    board.on('disconnect', (reason) => this.#left(board, reason));
    board.on('connect_error', (error) => {
      if (board.active) return; // the network: it tries again by itself
      this.#card = null;
      this.#state('connected');
      this.#emit('refused', { code: 'REFUSED', message: error.message, ...error.data });
    });
    board.on('exception', (payload) => this.#emit('problem', messageOf(payload)));
    board.on('welcome', (welcome) => this.#welcomed(welcome));
    board.on('attention', (answer) => answer(document.visibilityState === 'visible'));
    for (const event of HEARD) board.on(event, (payload) => this.#emit(event, payload));
    return board;
  }

  /** Every connection has an engine of its own. */
  #follow(lobby, cause) {
    const { engine } = lobby.io;
    if (lobby !== this.#lobby || engine === this.#engine) return;
    this.#engine = engine;
    this.#emit('attempts', { attempts: engine.attempts, cause });
    engine.on('upgrade', () => this.transport && this.#emit('transport', this.transport));
  }

  #connected() {
    this.#emit('transport', this.transport);
    if (!this.#card) this.#state('connected');
  }

  #disconnected(lobby, reason) {
    if (lobby !== this.#lobby || reason === 'io client disconnect') return;
    this.#emit('transport', '');
    this.#state('reconnecting', 0);
    if (reason !== 'io server disconnect') return;
    setTimeout(() => {
      if (lobby !== this.#lobby) return;
      lobby.connect();
      this.#follow(lobby, 'lost');
    }, SENT_AWAY_FOR);
  }

  #left(board, reason) {
    if (board !== this.#board || reason === 'io client disconnect') return;
    this.joined = false;
    clearTimeout(this.#pulseTimer);
    this.#state('reconnecting', 0);
    if (reason === 'io server disconnect') {
      setTimeout(() => board === this.#board && this.#card && board.connect(), SENT_AWAY_FOR);
    }
  }

  #cameBack() {
    this.joined = true;
    this.#state('joined');
    this.#emit('back');
    this.#pulse();
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

  async #pulse() {
    clearTimeout(this.#pulseTimer);
    const board = this.#board;
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
    if (this.joined && board === this.#board) {
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
