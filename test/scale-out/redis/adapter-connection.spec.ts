/** What stands between the streams adapter and `redis`, where Redis answers with an error. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SimpleError } from 'redis';
import { AdapterConnection } from '../../../lib/scale-out/redis/adapter-connection.js';
import type { RedisConnection } from '../../../lib/scale-out/redis/connection.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const COUNT = ['PUBSUB', 'NUMSUB', 'channel'];

/** Counts nodes by a Redis that gives these answers, one after the other. */
function counting(...answers: unknown[]) {
  const sendCommand = jest.fn(async (_command: unknown) => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const connection = new AdapterConnection({ client: { sendCommand } } as unknown as RedisConnection);
  return { counted: connection.sendCommand(COUNT), sendCommand };
}

describe('counting nodes', () => {
  it.each([
    new SimpleError('LOADING Redis is loading the dataset in memory'),
    new SimpleError("ERR unknown subcommand 'SETINFO'. Try CLIENT HELP."),
    new SimpleError("NOPERM User x has no permissions to run the 'client|setinfo' command"),
    new SimpleError('MASTERDOWN Link with MASTER is down'),
    new Error('Socket closed unexpectedly'),
  ])('goes on after "%s"', async (error) => {
    const { counted, sendCommand } = counting(error, error, ['channel', 2]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(await counted).toEqual(['channel', 2]);
    expect(sendCommand).toHaveBeenCalledTimes(3);
    expect(sendCommand).toHaveBeenLastCalledWith(COUNT);
  });

  it.each([
    new SimpleError("ERR unknown command 'PUBSUB', with args beginning with: 'NUMSUB' 'channel'"),
    new SimpleError("ERR unknown subcommand 'NUMSUB'. Try PUBSUB HELP."),
    new SimpleError("NOPERM User x has no permissions to run the 'pubsub|numsub' command"),
  ])('ends with "%s"', async (error) => {
    const { counted, sendCommand } = counting(error, ['channel', 2]);
    await expect(counted).rejects.toBe(error);
    expect(sendCommand).toHaveBeenCalledTimes(1);
  });
});
