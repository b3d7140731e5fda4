/** The benchmark as a user starts it. Needs `npm run build`. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROOT } from '../structure/sources.js';

const PEERS = ['net', 'platform-socket.io', 'platform-ws', 'ws', 'nestwire'];

const execute = promisify(execFile);
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nestwire-bench-spec-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function bench(...args: string[]) {
  const env = { ...process.env, NODE_OPTIONS: '' };
  return execute(process.execPath, ['bench/run.js', ...args, '--out', directory], { cwd: ROOT, env });
}

describe('npm run bench -- echo10 --quick', () => {
  it('measures every peer and writes the report', async () => {
    const { stdout } = await bench('echo10', '--quick', '--rounds', '2');
    const report = JSON.parse(await readFile(join(directory, 'report.json'), 'utf8'));
    expect(report).toMatchObject({
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      isQuick: true,
      versions: { node: process.versions.node, nestwire: expect.any(String), ws: expect.any(String) },
      machine: { cores: expect.any(Number), memoryGb: expect.any(Number) },
    });
    const [scenario] = report.scenarios;
    expect(scenario.rows.map(({ id }: { id: string }) => id)).toEqual(PEERS);
    for (const { samples } of scenario.rows) {
      expect(samples.cpu).toHaveLength(2);
      for (const values of Object.values(samples)) {
        expect(values).toEqual([expect.any(Number), expect.any(Number)]);
      }
      expect(Math.min(...samples.rate)).toBeGreaterThan(0);
    }
    expect(report.ratios.map(({ to }: { to: string }) => to)).toEqual(PEERS.slice(0, -1));
    expect(report.budgets.map(({ state }: { state: string }) => state)).not.toContain('missing');
    expect(stdout).toContain('echo10 cpu: nestwire / platform-socket.io');
    expect(await readFile(join(directory, 'report.html'), 'utf8')).toContain('<canvas id="plot-echo10-cpu">');
  });

  it('can be had as the tables of the README', async () => {
    const { stdout } = await bench('--markdown');
    expect(stdout).toContain('| echo through a guard, 10 in flight |');
  });
});

it('a scenario that is not there is said to be none', async () => {
  await expect(bench('nothing')).rejects.toThrow(/no such scenario: nothing; there are echo10/);
});
