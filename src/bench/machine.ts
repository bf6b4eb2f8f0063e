/** Where and of what a record was made. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../node/package-root.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly node: string;
  /** `mains` or `battery`, from INGOT_POWER: nothing portable tells. */
  readonly power: string;
}

export interface ModelFile {
  readonly file: string;
  readonly sizeBytes: number | null;
  /** Null for a folder. */
  readonly sha256: string | null;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    power: process.env['INGOT_POWER'] ?? 'unknown',
  };
}

/** Reads the whole file: it is in the page cache afterwards. @throws where there is none */
export async function describeModel(path: string, signal: AbortSignal): Promise<ModelFile> {
  const found = await stat(path);
  if (!found.isFile()) return { file: basename(path), sizeBytes: null, sha256: null };
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 22 })) hash.update(chunk as Buffer);
  return { file: basename(path), sizeBytes: found.size, sha256: hash.digest('hex') };
}

/**
 * INGOT_COMMIT where it is set (a copied tree is at no commit), else of a clone `abc1234`, with `-dirty` where sources differ from it, else
 * null.
 */
export async function describeCommit(): Promise<string | null> {
  const given = process.env['INGOT_COMMIT'];
  if (given !== undefined && given !== '') return given;
  const git = async (...args: readonly string[]) => (await promisify(execFile)('git', args, { cwd: packageRoot })).stdout.trim();
  try {
    // In an installed package, a repository around it is somebody else's.
    if ((await git('rev-parse', '--show-cdup')) !== '') return null;
    const dirty = (await git('status', '--porcelain', '--untracked-files=no', 'src', 'scripts')) !== '';
    return (await git('rev-parse', '--short', 'HEAD')) + (dirty ? '-dirty' : '');
  } catch {
    return null;
  }
}
