/**
 * Three projects, by what a spec needs:
 *
 * - `unit`: Node and the loopback; files run beside each other. Everything that is not one of the others.
 * - `system`: starts a browser, nginx, Redis, npm or a built sample; one file at a time. The folders in SYSTEM, and
 *   `*.system.spec.ts` anywhere.
 * - `full`: `*.full.spec.ts`, too long for every run.
 */
const SYSTEM = ['<rootDir>/test/(browser|package|sample)/', '\\.system\\.spec\\.ts$'];
const FULL = ['\\.full\\.spec\\.ts$'];

/** @type {import('jest').Config} */
const common = {
  testEnvironment: '<rootDir>/test/support/environment.js',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: {
    '^nestwire$': '<rootDir>/lib/index.ts',
    '^nestwire/client$': '<rootDir>/lib/client/index.ts',
    '^nestwire/engine$': '<rootDir>/lib/engine/index.ts',
    '^nestwire/redis$': '<rootDir>/lib/redis/index.ts',
    '^nestwire/scale-out$': '<rootDir>/lib/scale-out/index.ts',
    '^nestwire/testing$': '<rootDir>/lib/testing/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
};

/** @type {import('jest').Config} */
export default {
  maxWorkers: 2,
  // Jest takes this for all projects alike; `run.js` gives the slower ones more.
  testTimeout: 20_000,
  projects: [
    { ...common, displayName: 'unit', testPathIgnorePatterns: [...SYSTEM, ...FULL] },
    {
      ...common,
      displayName: 'system',
      testMatch: ['<rootDir>/test/{browser,package,sample}/**/*.spec.ts', '**/*.system.spec.ts'],
      testPathIgnorePatterns: FULL,
    },
    { ...common, displayName: 'full', testMatch: ['**/*.full.spec.ts'] },
  ],
};
