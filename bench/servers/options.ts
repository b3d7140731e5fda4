/** What a server under test is started with; `bench/processes.js` passes it as JSON. */
export interface ServerOptions {
  /** Which gateway a Nest peer serves: see `gateways.ts`. Default `echo`. */
  gateway?: string;
  /** Handlers that the echo gateway has. Default 1. */
  handlers?: number;
  /** URL of Redis, for peers that use it. */
  redis?: string;
  /** Options of Nestwire's adapter, for rows that need another one than the default. */
  nestwire?: Record<string, unknown>;
}
