import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export interface Manifest {
  name: string;
  version: string;
  type: string;
  license: string;
  description: string;
  keywords: string[];
  types: string;
  files: string[];
  engines: { node: string };
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

export const readManifest = (folder = ROOT): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** The files below a folder, as paths from it. */
export const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

/** Runs npm quietly; what it said is in the error when it fails. */
export async function npm(cwd: string, ...args: string[]): Promise<string> {
  // What `npm test` passes on to its children is about this package, not about the one in `cwd`.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_/.test(name)),
  );
  const { stdout } = await run('npm', args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Whether `dist` was made from the sources as they are now. */
function isBuilt(): boolean {
  const built = join(ROOT, 'dist', 'index.js');
  if (!existsSync(built)) return false;
  const sources = [...filesIn(join(ROOT, 'lib')).map((name) => join(ROOT, 'lib', name)), join(ROOT, 'tsconfig.json')];
  return sources.every((source) => statSync(source).mtimeMs < statSync(built).mtimeMs);
}

/** Packs the package as it would be published. Builds first where that was not done: `npm test` has done it. */
export async function pack(folder: string): Promise<{ tarball: string; files: string[] }> {
  if (!isBuilt()) await npm(ROOT, 'run', 'build');
  const [packed] = JSON.parse(await npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)) as [
    { filename: string; files: { path: string }[] },
  ];
  return { tarball: join(folder, packed.filename), files: packed.files.map(({ path }) => path).toSorted() };
}
