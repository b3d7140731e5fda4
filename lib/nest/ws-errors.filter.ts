import { IntrinsicException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BaseWsExceptionFilter } from '@nestjs/websockets';
import { ackErrorPayload, errorPayload, isMeantForClient } from './error-payload.js';
import { HookArgumentsHost } from './hook-arguments-host.js';
import { exceptionFilters, setExceptionFilters } from './nest-metadata.js';
import { openAck, replyError } from './reply-error.js';
import { serverContextOf } from './server-context.js';

/**
 * Answers what no filter of the application took. Catches everything, and stands first among the filters of each
 * gateway, which makes it the last one asked.
 *
 * Filters belong to the class, and a class may serve several applications of one process. So this one keeps no state and
 * looks at the client: one that another adapter serves gets exactly what Nest would say without this filter.
 */
class WsErrorsFilter implements ExceptionFilter {
  private readonly nest = new BaseWsExceptionFilter();
  // the name under which Nest logs the same errors
  private readonly logger = new Logger('WsExceptionsHandler');

  catch(exception: unknown, host: ArgumentsHost): void {
    const client = host.switchToWs().getClient<object | undefined>();
    if (!client) return;
    const context = serverContextOf(client);
    if (context === undefined) {
      this.nest.catch(exception as Error, host);
      return;
    }
    // Nest calls with the client alone when it could not make a request-scoped gateway for a new connection
    const connecting = host.getArgs().length === 1;
    const reachable = connecting ? new HookArgumentsHost(client, 'handleConnection') : host;
    if (context.errors === 'nest') this.nest.catch(exception as Error, reachable);
    else this.reply(exception, reachable);
    if (connecting) context.hooks.refuse(client);
  }

  private reply(exception: unknown, host: ArgumentsHost): void {
    if (!isMeantForClient(exception) && !(exception instanceof IntrinsicException)) this.logger.error(exception);
    replyError(host, openAck(host) === undefined ? errorPayload(exception) : ackErrorPayload(exception));
  }
}

/** Without state, so one does for all. */
export const wsErrorsFilter: ExceptionFilter = new WsErrorsFilter();

/** Puts the filter before those of a gateway class, once. */
export function installErrorsFilter(gateway: object): void {
  const filters = exceptionFilters(gateway);
  if (filters[0] === wsErrorsFilter) return;
  // a class inherits the list of its parent, where the filter may be already
  setExceptionFilters(gateway, [wsErrorsFilter, ...filters.filter((filter) => filter !== wsErrorsFilter)]);
}
