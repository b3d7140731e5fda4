import { IntrinsicException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BaseWsExceptionFilter } from '@nestjs/websockets';
import { isMeantForClient } from './error-payload.js';
import { HookArgumentsHost } from './hook-arguments-host.js';
import { findGlobalFilter } from './hook-filters.js';
import { exceptionFilters, setExceptionFilters } from './nest-metadata.js';
import { replyException } from './reply-error.js';
import { serverContextOf, type ServerContext } from './server-context.js';

/**
 * Answers what no filter of a method or a gateway took: it asks those of the whole application, then answers itself.
 * Catches everything, and stands first among the filters of each gateway, which makes it the last one asked.
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
    const hook = hookOf(host, client);
    const answered = this.answer(exception, hook === undefined ? host : new HookArgumentsHost(client, hook), context);
    if (hook === 'handleConnection') void answered.then(() => context.hooks.refuse(client));
  }

  /** Resolves when a filter of the application is done, which may have something to say to a client that has to go. */
  private async answer(exception: unknown, host: ArgumentsHost, { errors, filters }: ServerContext): Promise<void> {
    const filter = findGlobalFilter(filters, exception);
    try {
      if (filter !== undefined) await filter.catch(exception, host);
      else if (errors === 'nest') this.nest.catch(exception as Error, host);
      else this.reply(exception, host);
    } catch (error) {
      // a filter that fails, or a payload that cannot be encoded; the first exception is lost with it
      this.logger.error(error);
    }
  }

  private reply(exception: unknown, host: ArgumentsHost): void {
    if (!isMeantForClient(exception) && !(exception instanceof IntrinsicException)) this.logger.error(exception);
    replyException(host, exception);
  }
}

/**
 * Where Nest could not make a request-scoped gateway for a new connection it calls with the client alone, and for the end
 * of one with the reason besides.
 */
function hookOf(
  host: ArgumentsHost,
  client: { connected?: boolean },
): 'handleConnection' | 'handleDisconnect' | undefined {
  const { length } = host.getArgs();
  if (length === 1) return 'handleConnection';
  return length === 2 && client.connected === false ? 'handleDisconnect' : undefined;
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
