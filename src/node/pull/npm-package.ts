/** Packages of the npm registry as files: fetched by the user's own npm, so that its registry, proxy and tokens are theirs. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';

export interface NpmPackage {
  /** As `@scope/name`. */
  readonly name: string;
  readonly version: string;
  /** `sha512-` and the digest of the packed file in base64, as registries give it. */
  readonly integrity: string;
  readonly sizeBytes: number;
}

export interface NpmPackageOptions {
  /** An empty folder for what is fetched. */
  readonly folder: string;
  /** A folder that holds the packed file already; nothing is fetched then. */
  readonly from?: string | undefined;
  readonly signal?: CancelSignal | undefined;
  /** Told of the bytes that have come. */
  readonly onBytes?: ((loaded: number) => void) | undefined;
}

/** How often it is looked at what has come. */
const POLL_MS = 250;

/** The name that `npm pack` gives a file. */
export function packedName({ name, version }: NpmPackage): string {
  return `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`;
}

/**
 * Path of the packed file, whose digest is the package's.
 * @throws CapacityError where npm is not there or cannot fetch it, FormatError for a file with another digest, InputError where `from`
 * lacks it
 */
export async function npmPackage(wanted: NpmPackage, options: NpmPackageOptions): Promise<string> {
  const { folder, from, signal, onBytes } = options;
  const path = join(from ?? folder, packedName(wanted));
  if (from === undefined) await fetchPackage(wanted, options);
  else if ((await stat(path).catch(() => undefined))?.isFile() !== true)
    throw new InputError(`${from} holds no ${packedName(wanted)}: put it there with "npm pack ${wanted.name}@${wanted.version}".`);
  signal?.throwIfAborted();
  const digest = await sha512(path, signal);
  if (digest !== wanted.integrity) {
    throw new FormatError(
      `${path}: expected ${wanted.name} ${wanted.version} with the digest ${wanted.integrity.slice(0, 24)}..., found ` +
        `${digest.slice(0, 24)}... ` +
        'The file is damaged, or the registry gives another one under this name.',
    );
  }
  onBytes?.(wanted.sizeBytes);
  return path;
}

async function sha512(path: string, signal: CancelSignal | undefined): Promise<string> {
  const hash = createHash('sha512');
  for await (const piece of createReadStream(path)) {
    signal?.throwIfAborted();
    hash.update(piece as Uint8Array);
  }
  return `sha512-${hash.digest('base64')}`;
}

/** npm tells nothing while it fetches: what has come is the size of its cache, which is one of its own here. */
async function fetchPackage(wanted: NpmPackage, { folder, signal, onBytes }: NpmPackageOptions): Promise<void> {
  const cache = join(folder, 'cache');
  const timer = setInterval(() => {
    void sizeOf(cache).then((bytes) => onBytes?.(Math.min(bytes, wanted.sizeBytes)), () => {});
  }, POLL_MS);
  try {
    await runNpm(['pack', `${wanted.name}@${wanted.version}`, '--cache', cache, '--ignore-scripts', '--loglevel', 'error'], {
      folder, wanted, signal,
    });
  } finally {
    clearInterval(timer);
  }
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes = await Promise.all(entries.filter((entry) => entry.isFile())
    .map((entry) => stat(join(entry.parentPath ?? entry.path, entry.name)).then(({ size }) => size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of what npm says, the last so many characters go into a message. */
const MOST_REASON = 400;

interface NpmRun {
  readonly folder: string;
  readonly wanted: NpmPackage;
  readonly signal: CancelSignal | undefined;
}

async function runNpm(args: readonly string[], { folder, wanted, signal }: NpmRun): Promise<void> {
  signal?.throwIfAborted();
  // npm is a script of the shell on Windows; nothing of a user's is among the arguments.
  const isWindows = process.platform === 'win32';
  const child = spawn(isWindows ? 'npm.cmd' : 'npm', args.map((arg) => (isWindows ? `"${arg}"` : arg)), {
    cwd: folder, shell: isWindows, stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (piece: Uint8Array) => void (said = (said + new TextDecoder().decode(piece)).slice(-8000)));
  const stop = (): void => void child.kill();
  signal?.addEventListener('abort', stop);
  return new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(new CapacityError(`npm was not found (${error.message}): it comes with Node. ${byHand(wanted)}`)));
    child.on('close', (code) => {
      if (signal?.aborted === true) reject(signal.reason as Error);
      else if (code === 0) resolve();
      else reject(new CapacityError(`npm could not fetch ${wanted.name} ${wanted.version}: ${reasonIn(said)}. ${byHand(wanted)}`));
    });
  }).finally(() => signal?.removeEventListener('abort', stop));
}

/** What npm says of the failure, without where it left its log. */
function reasonIn(said: string): string {
  const lines = said.split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
    .filter((line) => line !== '' && !/complete log|_logs|^at |^(syscall|errno) /.test(line));
  return lines.join('; ').slice(0, MOST_REASON) || 'it said nothing';
}

function byHand({ name, version }: NpmPackage): string {
  return `Where there is a network, run "npm pack ${name}@${version}", bring the file here, and name its folder with --from (from).`;
}
