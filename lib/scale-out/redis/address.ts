import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Where this node can be found by others, and where it listens for them. */
export interface RelayHosts {
  readonly host: string;
  readonly advertisedHost: string;
}

/** Addresses that mean "all of this machine", which nobody else can connect to. */
const WILDCARDS: readonly string[] = ['0.0.0.0', '::', '::0'];

/**
 * The address of this node within its cluster: what was given, else what the environment says (`NESTWIRE_RELAY_HOST`, or
 * `POD_IP`, which Kubernetes can set), else the first IPv4 address that is not the loopback, else the loopback. The node
 * listens on that address alone, so that the relay's port is not open to networks it is not meant for; on all of them
 * where the address is not one of this machine's own, but of something in front of it.
 */
export function relayHosts(
  given: { host?: string; advertisedHost?: string },
  environment: NodeJS.ProcessEnv = process.env,
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): RelayHosts {
  const own = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  const fromEnvironment = environment['NESTWIRE_RELAY_HOST'] || environment['POD_IP'];
  const listening = given.host !== undefined && !WILDCARDS.includes(given.host) ? given.host : undefined;
  const first = own.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  const advertisedHost = given.advertisedHost ?? listening ?? fromEnvironment ?? first ?? '127.0.0.1';
  const isOwn = own.some(({ address }) => address === advertisedHost);
  const everywhere = isIPv6(advertisedHost) ? '::' : '0.0.0.0';
  return { advertisedHost, host: given.host ?? (isOwn || isLoopback(advertisedHost) ? advertisedHost : everywhere) };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
