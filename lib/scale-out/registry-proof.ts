import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { keyFor } from './session-ids.js';

/*
 * What a node says of its own way to the registry when it is asked (probe.ts):
 *
 *     nestwire-registry: <challenge>      in the question, new each time
 *     nestwire-registry: <age> <mac>      in the answer; none when it cannot reach the registry, or takes no clients itself
 *
 * Anybody may ask: that a node reaches its registry is worth nothing to a stranger. But on an answer a node closes its door
 * to new clients, so it has to come from a node of the same secret, and to be new: an address may have passed to another
 * application since it was read in the registry.
 */

/** Name of the header, in question and answer. */
export const REGISTRY_HEADER = 'nestwire-registry';

/** Bytes of a challenge, and what it looks like. */
const CHALLENGE_BYTES = 16;
const CHALLENGE = /^[\w-]{22}$/;

/** Makes and checks what nodes of one secret tell each other about the registry. */
export class RegistryProof {
  private readonly key: Buffer;

  constructor(secret: string) {
    this.key = keyFor(secret, 'registry proof');
  }

  /** The value of the header in a question. */
  challenge(): string {
    return randomBytes(CHALLENGE_BYTES).toString('base64url');
  }

  /**
   * The value of the header in the answer; undefined for what is no question.
   *
   * @param age milliseconds since the registry was asked the last question that it has answered.
   */
  answer(challenge: unknown, age: number): string | undefined {
    if (typeof challenge !== 'string' || !CHALLENGE.test(challenge)) return undefined;
    const said = String(Math.ceil(age));
    return `${said} ${this.mac(challenge, said)}`;
  }

  /** The age that an answer tells, in milliseconds; undefined when no node of this secret has given it to this question. */
  read(challenge: string, answer: unknown): number | undefined {
    if (typeof answer !== 'string') return undefined;
    const [said = '', mac = ''] = answer.split(' ');
    const right = Buffer.from(this.mac(challenge, said));
    const given = Buffer.from(mac);
    return given.length === right.length && timingSafeEqual(given, right) ? Number(said) : undefined;
  }

  private mac(challenge: string, said: string): string {
    return createHmac('sha256', this.key).update(`${challenge} ${said}`).digest('base64url');
  }
}
