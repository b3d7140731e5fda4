import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from './packed.js';

/** Bytes before the compressed part of a SWF: signature, version, length. */
const HEAD = 8;

/** What a movie says, without the name that the compiler makes up anew each time: `boot_` and four hexadecimal digits. */
function contentOf(path: string): { version: number; body: string } {
  const file = readFileSync(path);
  expect(file.toString('latin1', 0, 3)).toBe('CWS');
  const body = inflateSync(file.subarray(HEAD));
  expect(body.length + HEAD).toBe(file.readUInt32LE(4));
  return { version: file[3]!, body: body.toString('latin1').replaceAll(/boot_[\da-f]{4}/g, 'boot_0000') };
}

describe('nestwire.swf', () => {
  it('is what its source is compiled to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nestwire-flash-'));
    try {
      const compiled = join(folder, 'compiled.swf');
      execFileSync(process.execPath, ['scripts/build-flash.js', compiled], { cwd: ROOT, stdio: 'pipe' });
      expect(contentOf(join(ROOT, 'flash/nestwire.swf'))).toEqual(contentOf(compiled));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is shipped as it is', () => {
    const [kept, shipped] = ['flash/nestwire.swf', 'dist/client/nestwire.swf'].map((path) =>
      readFileSync(join(ROOT, path)),
    );
    expect(shipped!.equals(kept!)).toBe(true);
  });

  it('calls nothing in its page, and lets no other page call it', () => {
    const { body } = contentOf(join(ROOT, 'flash/nestwire.swf'));
    expect(body).toContain('addCallback');
    expect(body).not.toMatch(/allowDomain|allowInsecureDomain|navigateToURL/);
    // `call` by itself would be ExternalInterface's
    expect(readFileSync(join(ROOT, 'flash/NestwirePipe.hx'), 'utf8')).not.toMatch(
      /ExternalInterface\.call|Security\.allow\w+\(/,
    );
  });
});
