import type { ArgumentsHost, ContextType } from '@nestjs/common';

/**
 * What a filter learns of a failure that Nest did not call for a message: of `handleConnection` or `handleDisconnect`, the client, no
 * data, and the hook's name; of a stream, its event, and the message that caused it where that is known.
 */
export class HookArgumentsHost implements ArgumentsHost {
  private readonly args: readonly [client: object, data: unknown, ack: unknown, pattern: string];

  constructor(client: object, pattern: string, data?: unknown, ack?: unknown) {
    this.args = [client, data, ack, pattern];
  }

  getArgs<T extends unknown[]>(): T {
    return [...this.args] as unknown as T;
  }

  getArgByIndex<T>(index: number): T {
    return this.args[index] as T;
  }

  getType<T extends string = ContextType>(): T {
    return 'ws' as T;
  }

  switchToWs(): ReturnType<ArgumentsHost['switchToWs']> {
    const [client, data, , pattern] = this.args;
    return { getClient: <T>() => client as T, getData: <T>() => data as T, getPattern: () => pattern };
  }

  // the positions that Nest's own host gives to these

  switchToRpc(): ReturnType<ArgumentsHost['switchToRpc']> {
    return { getData: () => this.getArgByIndex(0), getContext: () => this.getArgByIndex(1) };
  }

  switchToHttp(): ReturnType<ArgumentsHost['switchToHttp']> {
    return {
      getRequest: () => this.getArgByIndex(0),
      getResponse: () => this.getArgByIndex(1),
      getNext: () => this.getArgByIndex(2),
    };
  }
}
