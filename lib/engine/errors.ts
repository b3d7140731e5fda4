/**
 * Refusals of the Engine.IO protocol: `code` and `message` travel in the JSON body of the answer and in the
 * `connection_error` event. A code is never reused. Codes 0 to 5 are Engine.IO's; ours begin at 100, where stock clients
 * see an ordinary refused connection.
 *
 * @see https://socket.io/docs/v4/server-api/#connection_error
 */
export const ERRORS = {
  UNKNOWN_TRANSPORT: { code: 0, status: 400, message: 'Transport unknown' },
  UNKNOWN_SID: { code: 1, status: 400, message: 'Session ID unknown' },
  BAD_HANDSHAKE_METHOD: { code: 2, status: 400, message: 'Bad handshake method' },
  BAD_REQUEST: { code: 3, status: 400, message: 'Bad request' },
  FORBIDDEN: { code: 4, status: 403, message: 'Forbidden' },
  UNSUPPORTED_PROTOCOL_VERSION: { code: 5, status: 400, message: 'Unsupported protocol version' },
  TOO_MANY_SESSIONS: { code: 100, status: 503, message: 'Too many sessions' },
  TOO_MANY_HANDSHAKES: { code: 101, status: 429, message: 'Too many handshakes' },
  SHUTTING_DOWN: { code: 102, status: 503, message: 'Server is shutting down' },
  HEADERS_TOO_LARGE: { code: 103, status: 431, message: 'Request headers too large' },
  NODE_NOT_READY: { code: 104, status: 503, message: 'Server is not ready' },
  PAYLOAD_TOO_LARGE: { code: 105, status: 413, message: 'Payload too large' },
  NODE_CUT_OFF: { code: 106, status: 503, message: 'Server is cut off from the others' },
} as const;

/** Name of a refusal. */
export type ErrorName = keyof typeof ERRORS;

/** Detail of a refusal, for logs; `message` replaces the refusal's own in the answer. */
export interface ErrorContext {
  name?: string;
  message?: string;
  [detail: string]: unknown;
}

/** Thrown while a request is examined; becomes the answer and a `connection_error` event. */
export class Refusal extends Error {
  readonly code: number;
  readonly status: number;

  constructor(
    readonly reason: ErrorName,
    readonly context: ErrorContext = {},
  ) {
    super(context.message ?? ERRORS[reason].message);
    this.code = ERRORS[reason].code;
    this.status = ERRORS[reason].status;
  }
}

/** An option that cannot be honoured; thrown when the engine is made, never later. */
export class InvalidOptionError extends Error {
  constructor(
    readonly option: string,
    problem: string,
  ) {
    super(`Nestwire: option "${option}" ${problem}`);
    this.name = 'InvalidOptionError';
  }
}
