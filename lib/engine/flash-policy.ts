import { isIPv6 } from 'node:net';
import type { CorsOptions, CorsOptionsDelegate } from 'cors';
import { InvalidOptionError } from './errors.js';
import type { OriginRule } from './options.js';

/*
 * A Flash player opens a TCP connection for a movie only after the host has let it: it connects, sends 23 bytes, and wants
 * a policy file in XML. It asks port 843 first, and then the very port that the movie wants. The file counts movies by the
 * host they were loaded from. (Adobe, "Setting up a socket policy file server", 2008.)
 *
 * One rule cannot be worked around: a file that came from a port of 1024 or above opens only ports of 1024 or above.
 */

/** Options of the policy file. */
export interface FlashPolicyOptions {
  /**
   * Hosts whose movies may connect: names, addresses, `*.app.example` for all below one, or `*` for everybody, which is never
   * implied. Instead of those that `origins` or `cors.origin` name.
   */
  domains?: readonly string[];
  /**
   * The ports that they may connect to: one, a range (`8000-8100`), several with commas, or `*`. Default: the port that was
   * asked. To be stated where the port that clients see is another one.
   */
  ports?: string;
}

/** What the player sends, with the NUL that ends it. */
export const POLICY_REQUEST: Buffer = Buffer.from('<policy-file-request/>\0', 'latin1');

const HOST = /^(\*|(\*\.)?[a-z\d]([a-z\d.-]*[a-z\d])?)$/i;
const PORTS = /^(\*|\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*)$/;

/** @throws InvalidOptionError for what cannot stand in a policy file. */
export function checkFlashPolicy(option: FlashPolicyOptions | false | undefined): void {
  if (option === undefined || option === false) return;
  for (const domain of option.domains ?? []) {
    if (!isHost(domain)) {
      throw new InvalidOptionError(
        'flashPolicy.domains',
        `names "${domain}", which is no host: without scheme and port`,
      );
    }
  }
  if (option.ports !== undefined && !PORTS.test(option.ports)) {
    throw new InvalidOptionError('flashPolicy.ports', `must be like "80,8000-8100" or "*", not "${option.ports}"`);
  }
}

/** What the policy is made from. */
export interface FlashPolicySource {
  readonly flashPolicy: FlashPolicyOptions | false | undefined;
  readonly origins: OriginRule | readonly OriginRule[] | undefined;
  readonly cors: CorsOptions | CorsOptionsDelegate | false;
}

/** Whom the policy file of one engine lets in. */
export class FlashPolicy {
  private readonly domains: readonly string[];
  private readonly ports: string | undefined;

  constructor({ flashPolicy, origins, cors }: FlashPolicySource) {
    const { domains, ports } = flashPolicy || {};
    const listed = origins ?? (typeof cors === 'object' ? cors.origin : undefined);
    this.domains = domains ?? hostsOf(Array.isArray(listed) ? listed : [listed]);
    this.ports = ports;
  }

  /** The lines of the file. @param address of this server, which the player connected to; the page's own, if it names no host. */
  lines(address: string | undefined, port: number | undefined): string[] {
    const own = address?.replace(/^::ffff:/i, '');
    const domains = own !== undefined && isHost(own) ? [own, ...this.domains] : this.domains;
    const ports = this.ports ?? String(port ?? '');
    return [...new Set(domains)].map((domain) => `<allow-access-from domain="${domain}" to-ports="${ports}"/>`);
  }
}

function isHost(text: string): boolean {
  return HOST.test(text) || isIPv6(text);
}

/** A policy file of lines, with the NUL that the player waits for. */
export function policyFile(lines: readonly string[]): string {
  return `<?xml version="1.0"?><cross-domain-policy>${lines.join('')}</cross-domain-policy>\0`;
}

/** The hosts of origins that are texts. Patterns and functions, and everybody, are none. */
function hostsOf(rules: readonly unknown[]): string[] {
  const hosts: string[] = [];
  for (const rule of rules) {
    if (typeof rule !== 'string' || !URL.canParse(rule)) continue;
    const { hostname } = new URL(rule);
    const host = hostname.replace(/^\[|\]$/g, '');
    if (isHost(host) && !host.startsWith('*')) hosts.push(host);
  }
  return hosts;
}
