// The private package of what we measure ourselves against: llama.cpp, a Chromium, other versions of Node.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, repoRoot } from './install.mjs';

export const peersRoot = join(repoRoot, 'peers');

/** Installs the peers on first use (about 335 MB down, 0.9 GB on disk, nearly all of it other versions of Node). */
export function ensurePeers() {
  // No install scripts: one of them would start a compiler where there is no prebuilt binary.
  ensureInstalled(peersRoot, { label: 'the test and benchmark peers', extraArgs: ['--ignore-scripts'] });
}

/** The `node` binary of a major version: this process's own, or the peers' one; undefined where there is none. */
export function nodeBinary(major) {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath;
  const path = join(peersRoot, 'node_modules', `node-${major}`, 'bin', 'node');
  return existsSync(path) ? path : undefined;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) ensurePeers();
