/** Files of the source of llama.cpp that node-llama-cpp carries as a git bundle: read at test time and kept nowhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bundle = fileURLToPath(new URL('../../peers/node_modules/node-llama-cpp/llama/gitRelease.bundle', import.meta.url));

export const hasSourcePeer = existsSync(bundle);

/** Runs git in a clone. */
export type Git = (...args: string[]) => Buffer;

/** Calls `read` with a clone's `git`, whose folder is gone afterwards. */
export function withLlamaSource<Result>(read: (git: Git) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-llama-source-'));
  try {
    const git = (...args: string[]): Buffer => execFileSync('git', ['--git-dir', folder, ...args], { maxBuffer: 1e9 });
    execFileSync('git', ['clone', '--quiet', '--bare', bundle, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    return read(git);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Chat templates by the names of their files. */
export function templatesIn(git: Git): Map<string, Buffer> {
  const paths = git('ls-tree', '--name-only', 'HEAD', 'models/templates/')
    .toString()
    .split('\n')
    .filter((path) => path.endsWith('.jinja'));
  return new Map(paths.map((path) => [path.slice(path.lastIndexOf('/') + 1), git('show', `HEAD:${path}`)]));
}
