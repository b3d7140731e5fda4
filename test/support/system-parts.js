/**
 * The programs that the system specs start and npm cannot install: two browsers, Redis, nginx, OpenSSL and the Haxe compiler.
 *
 * `run.js` installs what is missing before it starts, so a spec may take each of them for granted: there is no
 * "skip when absent".
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Each part by its Debian package: what it is for, and the names its program goes by. */
export const SYSTEM_PARTS = {
  chromium: { why: 'browser specs', programs: ['chromium', 'chromium-browser', 'google-chrome'] },
  'firefox-esr': { why: 'browser specs', programs: ['firefox-esr', 'firefox'] },
  'redis-server': { why: 'specs of several nodes', programs: ['redis-server'] },
  nginx: { why: 'specs behind a proxy', programs: ['nginx'] },
  openssl: { why: 'specs with TLS', programs: ['openssl'] },
  haxe: { why: 'the spec of the Flash file', programs: ['haxe'] },
};

/** Debian keeps daemons in sbin, which is not in the PATH of an ordinary user. */
const SBIN = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // Absent or not executable: both mean "not here".
    return false;
  }
}

/**
 * @param {keyof typeof SYSTEM_PARTS} name
 * @returns {string | undefined} the absolute path of the program, or nothing when it is not installed
 */
export function findPart(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean).concat(SBIN);
  for (const program of SYSTEM_PARTS[name].programs) {
    const found = folders.map((folder) => join(folder, program)).find(isProgram);
    if (found) return found;
  }
  return undefined;
}

/**
 * @param {keyof typeof SYSTEM_PARTS} name
 * @returns {string} the absolute path of the program
 * @throws {Error} when it is not installed, with what to do about it
 */
export function requirePart(name) {
  const found = findPart(name);
  if (!found) throw new Error(`${name} is not installed: "npm test" installs it when run as root on Debian or Ubuntu`);
  return found;
}

const missingParts = () => Object.keys(SYSTEM_PARTS).filter((name) => !findPart(name));

function describeMissing(missing) {
  const rows = missing.map(
    (name) => `  ${name} (${SYSTEM_PARTS[name].why}): ${SYSTEM_PARTS[name].programs.join(' or ')}`,
  );
  return [
    'These programs are missing:',
    ...rows,
    'Install them, on Debian or Ubuntu with',
    `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    'or run "npm run test:unit", which needs none of them.',
  ].join('\n');
}

/**
 * Sees to it that every part is there; installs the missing ones when that needs no password.
 *
 * @param {(text: string) => void} say
 * @returns {boolean} whether all parts are there now
 */
export function ensureSystemParts(say) {
  const missing = missingParts();
  if (missing.length === 0) return true;

  const isRoot = process.getuid?.() === 0;
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isRoot || !hasApt) {
    say(describeMissing(missing));
    return false;
  }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
    say(`apt-get ${args.join(' ')}`);
    const { status } = spawnSync('apt-get', args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    // A failed update may still leave a usable package list (one dead mirror of several): the install decides.
    if (status !== 0) say(`apt-get ${args[0]} ended with ${status}`);
  }
  const still = missingParts();
  if (still.length > 0) say(describeMissing(still));
  return still.length === 0;
}
