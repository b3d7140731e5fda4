/**
 * Compiles `flash/NestwirePipe.hx` to `flash/nestwire.swf`, which is kept in the repository, since few machines have the
 * compiler: Debian's package `haxe`. `test/package/flash.spec.ts` sees that the two belong together.
 *
 * node scripts/build-flash.js [file]
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPart } from '../test/support/system-parts.js';

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), '..', 'flash');

/** For players since 2011; a picture of one point, 60 frames a second. */
const ARGUMENTS = ['-main', 'NestwirePipe', '-swf-version', '11.2', '-swf-header', '1:1:60:ffffff', '-dce', 'full'];

const haxe = findPart('haxe');
const file = process.argv[2] ?? join(SOURCES, 'nestwire.swf');
const { status, error } = haxe
  ? spawnSync(haxe, ['-cp', SOURCES, ...ARGUMENTS, '-swf', file], { stdio: 'inherit' })
  : { error: new Error('haxe is not installed; on Debian and Ubuntu: apt-get install --no-install-recommends haxe') };
if (error) console.error(error.message);
process.exitCode = status ?? 1;
