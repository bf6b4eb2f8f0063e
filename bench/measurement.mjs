// What every benchmark here shares: repeating, summarising and recording by one protocol (bench/README.md).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream, mkdirSync, readFileSync, statSync } from 'node:fs';
import os from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repoRoot = dirname(dirname(fileURLToPath(import.meta.url)));

export function summarise(runs) {
  const sorted = runs.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Runs each contestant once unrecorded, then all of them in turn (A B C A B C ...) `runs` times.
 * @param contestants { name: () => Promise<number> }
 * @returns { name: number[] }
 */
export async function alternate(contestants, { runs, pauseMs }) {
  const measured = {};
  for (let run = -1; run < runs; run++) {
    for (const [name, once] of Object.entries(contestants)) {
      const figure = await once(run);
      if (run >= 0) (measured[name] ??= []).push(figure);
      await pause(pauseMs);
    }
  }
  return measured;
}

/** Random but repeatable token ids, away from the special ones at both ends of most vocabularies. */
export function randomIds(count, seed) {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 1000 + (state >>> 8) % 20000;
  });
}

export async function describeModel(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return { file: basename(path), sizeBytes: statSync(path).size, sha256: hash.digest('hex') };
}

export function describeMachine() {
  return { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30), os: `${os.type()} ${os.release()} ${os.arch()}`, node: process.versions.node, power: process.env.INGOT_POWER ?? 'unknown' };
}

export function describeCommit() {
  const git = (...args) => execFileSync('git', args, { cwd: repoRoot, encoding: 'utf8' }).trim();
  const dirty = git('status', '--porcelain', '--untracked-files=no', 'src', 'scripts').length > 0;
  return git('rev-parse', '--short', 'HEAD') + (dirty ? '-dirty' : '');
}

export function packageVersion(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}

/** Appends one measurement as one JSON line; lines are never edited. */
export function record(path, row) {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${JSON.stringify({ time: new Date().toISOString(), ...row })}\n`);
}
