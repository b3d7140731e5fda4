import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/*
 * A session id of a node that others can find: `<node><mac><id>`, where node and mac have a fixed length, and the mac
 * (HMAC-SHA-256, cut to 96 bits) says that whoever made it knows the secret of the nodes. So any node can tell at once, with
 * no question to anybody, whether an id is worth asking for, and whom.
 */

/** Characters of a node's id: 48 random bits. */
const NODE_LENGTH = 8;
/** Characters of the mac: 96 bits (RFC 2104, section 5, asks for 80 at least). */
const MAC_LENGTH = 16;

/** The id of a node that starts. */
export function newNodeId(): string {
  return randomBytes(6).toString('base64url');
}

/** A key for one purpose out of the secret of the nodes (RFC 5869), so that what is signed for one means nothing to another. */
export function keyFor(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `nestwire ${purpose}`, 32));
}

/** Makes session ids of one node, and tells the node from those of all. */
export class SessionIds {
  private readonly key: Buffer;

  constructor(
    private readonly nodeId: string,
    secret: string,
  ) {
    this.key = keyFor(secret, 'session ids');
  }

  /** @param id what the application calls the session; anything that may stand in a query. */
  make(id: string): string {
    return `${this.nodeId}${this.mac(this.nodeId, id)}${id}`;
  }

  /** The node that made a session id; undefined when no node did. */
  nodeOf(sid: string): string | undefined {
    const nodeId = sid.slice(0, NODE_LENGTH);
    const id = sid.slice(NODE_LENGTH + MAC_LENGTH);
    if (id === '') return undefined;
    const given = Buffer.from(sid.slice(NODE_LENGTH, NODE_LENGTH + MAC_LENGTH));
    const right = Buffer.from(this.mac(nodeId, id));
    return given.length === right.length && timingSafeEqual(given, right) ? nodeId : undefined;
  }

  private mac(nodeId: string, id: string): string {
    const digest = createHmac('sha256', this.key).update(nodeId).update(id).digest('base64url');
    return digest.slice(0, MAC_LENGTH);
  }
}
