import { HttpException, type ArgumentsHost } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';

/** What Nest says of an error that is nobody's business outside. */
const UNKNOWN_ERROR = 'Internal server error';

/** Whether an exception was thrown to be told to the client; anything else is a defect, and its text stays here. */
export function isMeantForClient(exception: unknown): boolean {
  return exception instanceof WsException || exception instanceof HttpException;
}

/**
 * What the `exception` event says: as in Nest for a WsException, whose object is sent as it is; an HttpException keeps
 * its status and the details of its response, for example those of a ValidationPipe.
 */
export function errorPayload(exception: unknown): object {
  if (exception instanceof HttpException) return httpPayload(exception);
  if (exception instanceof WsException) {
    const error = exception.getError();
    return isObject(error) ? error : { status: 'error', message: error };
  }
  return { status: 'error', message: UNKNOWN_ERROR };
}

/** What an acknowledgement says: the same, and always told from a result by its `status`. */
export function ackErrorPayload(exception: unknown): object {
  if (!(exception instanceof WsException)) return errorPayload(exception);
  return { status: 'error', message: exception.message, ...errorPayload(exception) };
}

/**
 * Adds which message failed, under Nest's name and in its form. What a WsException carries as an object is the whole
 * payload, here as in Nest.
 */
export function withCause(payload: object, exception: unknown, host: ArgumentsHost): object {
  if (exception instanceof WsException && isObject(exception.getError())) return payload;
  const message = host.switchToWs();
  const pattern: unknown = message.getPattern();
  // where Nest could not make a request-scoped gateway for a message, the acknowledgement stands in the pattern's place
  return {
    ...payload,
    cause: { pattern: typeof pattern === 'function' ? undefined : pattern, data: message.getData<unknown>() },
  };
}

function httpPayload(exception: HttpException): object {
  const response = exception.getResponse();
  const details = isObject(response) ? response : { message: response };
  // a response may carry a numeric `status` of its own, as in Nest's documentation; that is what `statusCode` says
  return { statusCode: exception.getStatus(), message: exception.message, ...details, status: 'error' };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
