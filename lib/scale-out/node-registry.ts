/** A node as others find it. */
export interface NodeRecord {
  /** Random, new at each start: what was signed for an earlier process of the same machine means nothing to this one. */
  readonly id: string;
  /** `host:port` of its relay port; an IPv6 host in brackets. */
  readonly address: string;
}

/**
 * Where nodes find each other. An entry is leased: it ends by itself when it is not renewed, and so does a node that died.
 * Both calls may be made at any time and reject when the registry cannot be reached, within a second or two and without
 * keeping the call for later: the caller asks again.
 */
export interface NodeRegistry {
  /**
   * Enters a node, or renews its lease, and gives all whose lease has not run out, this one included. By one clock: the
   * registry's own.
   *
   * @param lease milliseconds.
   */
  renew(node: NodeRecord, lease: number): Promise<readonly NodeRecord[]>;
  /** Takes a node out. */
  remove(id: string): Promise<void>;
}
