import type { ArgumentsHost, ContextType } from '@nestjs/common';

/** What a filter learns of a failed `handleConnection` or `handleDisconnect`: the client, no data, and the hook's name. */
export class HookArgumentsHost implements ArgumentsHost {
  private readonly args: readonly [client: object, data: undefined, ack: undefined, pattern: string];

  constructor(client: object, hook: string) {
    this.args = [client, undefined, undefined, hook];
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
