import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of this package; two up from `src/bench` and `dist/bench` alike. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** The version in a folder's package.json. */
export function versionIn(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The first of `paths` (relative to the package) that there is. */
export function firstPresent(paths: readonly string[]): string | undefined {
  return paths.map((path) => join(packageRoot, path)).find((path) => existsSync(path));
}
