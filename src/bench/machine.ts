/** Where and of what a record was made. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { dataFolder } from '../node/data-folder.ts';
import { makeFolder } from '../node/make-folder.ts';
import { packageRoot } from '../node/package-root.ts';

/** Of how sources differ from their commit. */
const MOST_DIFF_BYTES = 1 << 28;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  /** A random mark that tells it from another machine of its kind; null where none can be kept. */
  readonly host: string | null;
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
    host: hostMark(),
    node: process.versions.node,
    power: process.env['INGOT_POWER'] ?? 'unknown',
  };
}

/** Made up once and kept in Ingot's own folder, so that rows name no machine. */
export function hostMark(folder = dataFolder(process.env)): string | null {
  const path = join(folder, 'bench-host');
  try {
    makeFolder(folder);
    writeFileSync(path, `${randomBytes(4).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch {
    // It is there already, or none can be.
  }
  try {
    return /^[0-9a-f]{8}$/m.exec(readFileSync(path, 'utf8'))?.[0] ?? null;
  } catch {
    return null;
  }
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
 * INGOT_COMMIT where it is set (a copied tree is at no commit), else of a clone `abc1234`, where sources differ from it
 * `abc1234-dirty-89abcdef`, by the beginning of the sha256 of how they differ, else null.
 */
export async function describeCommit(): Promise<string | null> {
  const given = process.env['INGOT_COMMIT'];
  if (given !== undefined && given !== '') return given;
  // In an installed package, a repository around it is somebody else's.
  return commitOf(packageRoot);
}

/** @param folder the top of a clone; null where it is none */
export async function commitOf(folder: string): Promise<string | null> {
  const git = async (...args: readonly string[]) =>
    (await promisify(execFile)('git', args, { cwd: folder, maxBuffer: MOST_DIFF_BYTES })).stdout;
  try {
    if ((await git('rev-parse', '--show-cdup')).trim() !== '') return null;
    const commit = (await git('rev-parse', '--short', 'HEAD')).trim();
    const changes = await git('diff', '--no-ext-diff', '--no-textconv', '--no-color', '--binary', 'HEAD', '--', 'src', 'scripts');
    return changes === '' ? commit : `${commit}-dirty-${createHash('sha256').update(changes).digest('hex').slice(0, 8)}`;
  } catch {
    return null;
  }
}
