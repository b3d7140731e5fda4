import type { NodeRecord, NodeRegistry } from '../node-registry.js';
import { within, type RedisConnection } from './connection.js';

/** Milliseconds that Redis has for an answer. */
export const ANSWER_TIMEOUT = 1500;

/**
 * Enters a node, takes those out whose lease has run out, and gives the others: id, address, id, address, … By the clock
 * of Redis, so that clocks of nodes do not matter. One key, so that it works in a cluster; the key goes with the last
 * node.
 */
const RENEW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now + lease, ARGV[2]))
local all = redis.call('HGETALL', KEYS[1])
local live = {}
for i = 1, #all, 2 do
  local till, address = string.match(all[i + 1], '^(%d+) (.*)$')
  if till and tonumber(till) > now then
    live[#live + 1] = all[i]
    live[#live + 1] = address
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
if redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return live
`;

/** Where nodes find each other by way of Redis (6.0 or later) or Valkey: a hash with a field for each node. */
export class RedisNodeRegistry implements NodeRegistry {
  /**
   * @param connection one without an offline queue: what cannot be sent now is to be asked again, not kept for later.
   * @param key of the hash.
   */
  constructor(
    private readonly connection: RedisConnection,
    private readonly key: string,
  ) {}

  async renew({ id, address }: NodeRecord, lease: number): Promise<readonly NodeRecord[]> {
    const args = [id, address, String(Math.max(1, Math.round(lease)))];
    const answer = this.connection.client.eval(RENEW, { keys: [this.key], arguments: args });
    const flat = (await within(ANSWER_TIMEOUT, answer)) as string[];
    return Array.from({ length: flat.length / 2 }, (_, i) => ({ id: flat[2 * i]!, address: flat[2 * i + 1]! }));
  }

  async remove(id: string): Promise<void> {
    await within(ANSWER_TIMEOUT, this.connection.client.hDel(this.key, id));
  }
}
