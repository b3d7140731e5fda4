import { ForbiddenException, HttpException, HttpStatus } from '@nestjs/common';
import type { ConnectError } from '../../socket-io/connection-gate.js';
import { ackErrorPayload, isMeantForClient } from '../error-payload.js';

/**
 * `data` of the `connect_error` that a refused client gets. Whatever else the guard's exception carries is there as well,
 * under its own name.
 */
export interface ConnectionRefusal {
  /** `error`, unless a WsException's own object says something else. */
  readonly status: string;
  /**
   * For programs: the exception's own `code`, else the name of the HTTP status (`UNAUTHORIZED`, `FORBIDDEN`,
   * `TOO_MANY_REQUESTS`, …), else `REFUSED`.
   */
  readonly code: string | number;
  /** For people; a list where the exception has one. */
  readonly message: string | readonly string[];
  /** The status of an HTTP exception. */
  readonly statusCode?: number;
  readonly [detail: string]: unknown;
}

/** From here on a status says that the server failed, not the client (RFC 9110, 15.6). */
const FIRST_SERVER_ERROR = 500;

/** The code of a WsException that names none. */
const REFUSED = 'REFUSED';

/** What a guard says by `false`; the text is Nest's. */
export function forbidden(): HttpException {
  return new ForbiddenException('Forbidden resource');
}

/**
 * What a client is told when a guard has thrown; null when the guard did not decide but failed: whatever is neither a
 * WsException nor an HttpException, and HTTP exceptions of the server's own (500 and above).
 */
export function refusalOf(exception: unknown): ConnectError | null {
  if (!isMeantForClient(exception)) return null;
  const code = codeOf(exception);
  if (code === null) return null;
  const data = { code, ...ackErrorPayload(exception) } as ConnectionRefusal;
  return { message: (exception as Error).message, data };
}

function codeOf(exception: unknown): string | null {
  if (!(exception instanceof HttpException)) return REFUSED;
  const status = exception.getStatus();
  return status >= FIRST_SERVER_ERROR ? null : (HttpStatus[status] ?? REFUSED);
}
