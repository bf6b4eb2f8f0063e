// The private packages of what we measure ourselves against: llama.cpp and a Chromium in peers/, other versions of Node in peers/nodes/.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, repoRoot } from './install.mjs';

export const peersRoot = join(repoRoot, 'peers');
const nodesRoot = join(peersRoot, 'nodes');
export const toolsRoot = join(peersRoot, 'tools');

/** The versions that `npm test -- --all` covers; this process has one of them, or another. */
export const nodeMajors = [20, 22, 24, 26];
export const ownMajor = Number(process.versions.node.split('.')[0]);

// No install scripts: one of them would start a compiler where there is no prebuilt binary.
const extraArgs = ['--ignore-scripts'];

/** Installs llama.cpp and Chromium, which has the software GPU, on first use (190 MB on disk). */
export function ensurePeers() {
  ensureInstalled(peersRoot, { label: 'llama.cpp and Chromium, for tests and benchmarks, about 140 MB', extraArgs });
}

/** Installs other versions of Node on first use (730 MB on disk); there are none for platforms other than Linux on x64. */
export function ensureNodes() {
  ensureInstalled(nodesRoot, { label: `Node ${nodeMajors.join(', ')} for the tests, about 200 MB`, extraArgs });
}

/** Installs other package managers, runtimes, bundlers and checkers of packages on first use (340 MB on disk). */
export function ensureTools() {
  ensureInstalled(toolsRoot, { label: 'pnpm, yarn, Bun, Deno, bundlers and checkers for the tests, about 110 MB', extraArgs });
}

/** The `node` binary of a major version: this process's own, or the peers' one; undefined where there is none. */
export function nodeBinary(major) {
  if (ownMajor === major) return process.execPath;
  const path = join(nodesRoot, 'node_modules', `node-${major}`, 'bin', 'node');
  return existsSync(path) ? path : undefined;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) ensurePeers();
