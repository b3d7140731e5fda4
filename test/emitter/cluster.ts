import type { Server } from 'socket.io';
import { ClusterAdapterWithHeartbeat } from 'socket.io-adapter';

type AdapterFactory = NonNullable<Parameters<Server['adapter']>[0]>;
type Message = Parameters<ClusterAdapterWithHeartbeat['onMessage']>[0];
type Response = Parameters<ClusterAdapterWithHeartbeat['onResponse']>[0];

type Publish = (from: MemoryAdapter, message: Message | Response) => void;

/** One node's adapters, by namespace. */
type Node = Map<string, MemoryAdapter>;

/** Nodes of a cluster that are all in this process. */
export class MemoryCluster {
  /** Whose messages are lost. */
  lost: MemoryAdapter | null = null;
  private readonly nodes: Node[] = [];

  /** What the server of a node makes its adapters with: keeps them by namespace, as that of Redis streams does. */
  node(): { adapter: AdapterFactory; adapters: Node } {
    const adapters: Node = new Map();
    this.nodes.push(adapters);
    const publish: Publish = (from, message) => {
      const copy = structuredClone(message);
      if (from !== this.lost) setImmediate(() => this.deliver(copy));
    };
    const create = function create(nsp: { name: string }): MemoryAdapter {
      const adapter = new MemoryAdapter(nsp, publish);
      adapters.set(nsp.name, adapter);
      const { close } = adapter;
      adapter.close = () => {
        adapters.delete(nsp.name);
        close.call(adapter);
      };
      return adapter;
    };
    return { adapter: create as unknown as AdapterFactory, adapters };
  }

  private deliver(message: Message | Response): void {
    for (const adapters of this.nodes) adapters.get(message.nsp)?.onMessage(message as Message);
  }
}

export class MemoryAdapter extends ClusterAdapterWithHeartbeat {
  isClosed = false;

  /** Nodes that this one knows, itself among them. */
  get nodes(): number {
    return 1 + (this as unknown as { nodesMap: Map<string, number> }).nodesMap.size;
  }

  constructor(
    nsp: unknown,
    private readonly publishTo: Publish,
  ) {
    super(nsp, {});
  }

  override doPublish(message: Message): Promise<string> {
    this.publishTo(this, message);
    return Promise.resolve('');
  }

  override doPublishResponse(_to: string, response: Response): Promise<void> {
    this.publishTo(this, response);
    return Promise.resolve();
  }

  override close(): void {
    this.isClosed = true;
    super.close();
  }
}
