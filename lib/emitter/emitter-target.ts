import type { Subscription, TeardownLogic } from 'rxjs';
import type { Namespace } from 'socket.io';

/**
 * Where an emitter sends to. Emitters know nothing of adapters, applications and HTTP servers: whoever has a socket.io server,
 * or will have one, makes targets of its namespaces ({@link EmitterHost}), and tests make their own.
 */
export interface EmitterTarget {
  /** The namespace, once it is known and stays the same; until then null, and {@link find} has to be asked. */
  readonly namespace: Namespace | null;
  /** The namespace as it is now; null while there is none, before the start and after the end. What is sent then reaches nobody. */
  find(): Namespace | null;
  /**
   * Runs something from the start, at once if that has been, until the end.
   *
   * @param run is given what is returned, and returns what has to be done at the end.
   * @returns what ends it earlier, or keeps it from beginning.
   */
  whileOpen(run: (open: Subscription) => TeardownLogic): Subscription;
  /** Hears of what failed in the background. */
  failed(error: unknown): void;
  warn(text: string): void;
}
