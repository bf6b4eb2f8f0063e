import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const repoRoot = join(import.meta.dirname, '..', '..');

/** Whether this is a git checkout: an unpacked archive has no tracked files to look at. */
export const isCheckout = existsSync(join(repoRoot, '.git'));

/** Paths git tracks, relative to the repository. */
export function trackedFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: repoRoot, encoding: 'utf8', maxBuffer: 1 << 26 });
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(repoRoot, path)));
}
