import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { EngineRequest } from './session.js';

/*
 * The contract between an engine and whatever brings requests to the node that owns their session. Behind a balancer
 * without stickiness any request may arrive at any node. An engine that has a relay asks it for the owner of a session
 * that it does not know, after the request has passed the middlewares (CORS among them), and hands the request over. At
 * the owner the relay gives it to `engine.handleRelayed()` or `engine.handleRelayedUpgrade()`, where it is a request like
 * any other, but for what the first node has done already.
 *
 * The engine knows nothing of nodes, addresses and buses: `scale-out/` does.
 */

/** What the node at which a request arrived knows of it, and the owner of its session cannot see. */
export interface RelayedFacts {
  /** The client's address, as the first node sees it: with its `trustProxy`. */
  readonly address: string;
  /**
   * Whether the first node let the Origin in. If not, the owner lets in only the origin that opened the session: that is
   * the one case in which the owner knows more.
   */
  readonly isOriginAllowed: boolean;
}

/** Another node, which owns the session that a request names. */
export interface RelayOwner {
  /**
   * Has a request answered by the owner. The response is the relay's from here on: it answers in every case, with what
   * {@link Relay} says where the owner cannot be reached. Headers that middlewares have set on it stay.
   */
  forward(request: EngineRequest, response: ServerResponse, facts: RelayedFacts): void;
  /**
   * Has an HTTP Upgrade answered by the owner, and connects the two connections. The socket is the relay's from here on.
   *
   * @param headers lines (`Name: value`) that middlewares want in the answer.
   */
  forwardUpgrade(
    request: EngineRequest,
    socket: Duplex,
    head: Buffer,
    facts: RelayedFacts,
    headers: readonly string[],
  ): void;
}

/** Numbers about a relay since its start, for `engine.stats()`. */
export interface RelayStats {
  /** Requests and upgrades of other nodes' sessions that arrived here and were handed over. */
  readonly forwarded: number;
  /** Of these, those that are open now: parked polls, streams, WebSockets. */
  readonly open: number;
  /** Requests and upgrades that other nodes handed over to this one. */
  readonly received: number;
  /** Those that were handed over and came back without an answer, since the owner could not be reached or fell silent. */
  readonly failed: number;
  /** What came to the relay's own port and was refused: not signed, signed by somebody else, or replayed. */
  readonly refused: number;
  /** Nodes that are known now, this one included. */
  readonly nodes: number;
  /** Whether the registry of nodes answered last time it was asked. */
  readonly isRegistryReachable: boolean;
  /** Whether new sessions are refused here, since this node cannot reach the registry and another one can. */
  readonly isCutOff: boolean;
}

/**
 * Brings requests to the node that owns their session.
 *
 * Where an owner cannot be reached the client gets what it would get for a session that ended: 400 with code 1
 * (`Session ID unknown`), on which stock clients connect anew.
 */
export interface Relay {
  /**
   * Makes of a new id one from which every node can tell the owner: this node. A promise while the relay starts.
   *
   * @throws Error (or rejects) when this node cannot be found by others; the handshake is refused with 503 then.
   */
  sessionId(id: string): string | Promise<string>;
  /**
   * The node that owns a session; undefined when nobody does: the id is none of a relay's, it is forged, or it belongs to
   * this node or to one that is not there any more. A promise where the registry has to be asked. Never throws or rejects.
   */
  ownerOf(sid: string): RelayOwner | undefined | Promise<RelayOwner | undefined>;
  /**
   * Whether this node is cut off from the others: what comes by them of its sessions would be refused there. Handshakes are
   * then refused with 503, so that the balancer or the client takes another node; sessions that are here are left alone.
   * Asked at each handshake; must be false where no other node is known to be better off.
   */
  isCutOff(): boolean;
  /**
   * The engine ends: cuts what it has handed over and what is open still, so that its HTTP server can close. Clients are not
   * told that their sessions have ended, for they have not: a balancer asks another node, and streams resume.
   */
  close(): void;
  stats(): RelayStats;
}
