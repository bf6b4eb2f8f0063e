/**
 * What tuning found, in files of Ingot's own folder: one for each adapter, driver, version and profile, for people to read and remove.
 * INGOT_TUNING says whether it is obeyed, and whether the background looks for it.
 */
import { randomUUID } from 'node:crypto';
import { accessSync, constants, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { adapterName } from '../gpu/device/adapter-facts.ts';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import type { DeviceProfile } from '../gpu/profile/device-profile.ts';
import type { GpuTuning } from '../gpu/tuning/background-tuning.ts';
import { tunablesOf } from '../gpu/tuning/tunables.ts';
import type { ShapeClass } from '../gpu/tuning/tunables.ts';
import { mergedTuning, parseTuning, printTuning } from '../gpu/tuning/tuning-record.ts';
import type { ClassTuning, TuningOwner, TuningRecord } from '../gpu/tuning/tuning-record.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import { dataFolder } from './data-folder.ts';
import { withFileLock } from './file-lock.ts';
import { writeError } from './file-sink.ts';
import { makeFolder } from './make-folder.ts';
import { packageVersion } from './package-root.ts';
import { tellOnce } from './tell-once.ts';

/** `off`: profiles as they are. `stored`: what was found is obeyed. `background`: and looked for where it is not there. */
export type TuningUse = 'off' | 'stored' | 'background';

const TUNING_USES: readonly TuningUse[] = ['off', 'stored', 'background'];

/** What a caller says, else INGOT_TUNING, else `usual`. @throws InputError for something else */
export function tuningUse(
  asked: string | undefined, usual: TuningUse = 'stored', environment: Readonly<Record<string, string | undefined>> = process.env,
): TuningUse {
  const text = asked ?? (environment['INGOT_TUNING'] || usual);
  const use = TUNING_USES.find((each) => each === text);
  if (use !== undefined) return use;
  const name = asked === undefined ? 'INGOT_TUNING' : 'tuning';
  throw new InputError(`${name} must be ${TUNING_USES.join(', ')}; it is ${JSON.stringify(text)}.`);
}

export interface TuningStore {
  readonly path: string;
  /** Undefined where there is none, or another's. @throws FormatError for one that is damaged, the system's error for one that is shut */
  read(): TuningRecord | undefined;
  /**
   * Adds to what there is of a class, and of other classes, also where another process does so at the same time.
   * @throws InputError or CapacityError, with the path and what to do, where the file cannot be written
   */
  keep(shape: ShapeClass, tuning: ClassTuning): Promise<void>;
  /** @throws as {@link TuningStore.keep} would, before anything was timed */
  check(): void;
}

/** A record has some thousand bytes. */
const MOST_BYTES = 2 ** 20;
/** How long another process may have the file; one that holds it writes a record, no more. */
const MOST_WAIT_MS = 3000;

/** Letters and digits of a name. */
const wordsOf = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-').replaceAll(/^-|-$/g, '');

export function tuningStore(facts: AdapterFacts, profile: DeviceProfile, folder = dataFolder(process.env)): TuningStore {
  const owner: TuningOwner = { adapter: adapterName(facts), driver: facts.description, version: packageVersion(), profile: profile.name };
  const path = join(folder, 'tuning', `${[owner.adapter, owner.driver, owner.version, owner.profile].map(wordsOf).join('_')}.json`);
  const read = (): TuningRecord | undefined => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    if (!found.isFile() || found.size > MOST_BYTES)
      throw new FormatError(`${path} is no record of tuning: it ${found.isFile() ? `has ${found.size} bytes` : 'is no file'}. Remove it.`);
    return parseTuning(readFileSync(path, 'utf8'), owner, tunablesOf(profile));
  };
  const write = (text: string) => {
    // Another process may read the file meanwhile.
    const fresh = `${path}.${process.pid}-${randomUUID()}`;
    try {
      writeFileSync(fresh, text, { flag: 'wx' });
      renameSync(fresh, path);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    }
  };
  const keep: TuningStore['keep'] = async (shape, tuning) => {
    try {
      makeFolder(dirname(path));
      const signal = AbortSignal.timeout(MOST_WAIT_MS);
      await withFileLock(`${path}.lock`, { signal }, async () => {
        const before = readable(read)?.classes;
        write(printTuning({ ...owner, classes: { ...before, [shape]: mergedTuning(before?.[shape], tuning) } }));
      });
    } catch (error) {
      throw notKept(path, error as NodeJS.ErrnoException);
    }
  };
  const check = () => {
    try {
      makeFolder(dirname(path));
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      throw notKept(path, error as NodeJS.ErrnoException);
    }
  };
  return { path, read, keep, check };
}

function notKept(path: string, error: NodeJS.ErrnoException): Error {
  if (error.name === 'TimeoutError')
    return new InputError(
      `What tuning found is not kept: another process has had ${path}.lock for ${MOST_WAIT_MS / 1000} s. Remove it where none does.`,
    );
  const { message } = writeError(path, error);
  const text =
    `What tuning found is not kept. ${message} INGOT_HOME names another folder for what is Ingot's own, ` +
    'INGOT_TUNING=off looks for nothing.';
  return new (error.code === 'ENOSPC' || error.code === 'EDQUOT' ? CapacityError : InputError)(text, { cause: error });
}

/** A file that cannot be used is as good as none for who writes a new one. */
function readable(read: () => TuningRecord | undefined): TuningRecord | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/**
 * For an executor: what was found, and where to keep what is found. A file that cannot be used is left alone, and not obeyed; that one
 * cannot be written is told once, and fails nothing.
 */
export function storedTuning(facts: AdapterFacts, profile: DeviceProfile, use: TuningUse): GpuTuning | undefined {
  if (use === 'off') return undefined;
  const store = tuningStore(facts, profile);
  const keep = (shape: ShapeClass, tuning: ClassTuning) =>
    store.keep(shape, tuning).catch(({ message }: Error) => tellOnce(message, 'INGOT_TUNING'));
  return {
    of: (shape) => readable(store.read)?.classes[shape],
    ...(use === 'background' && !facts.isSoftware ? { keep } : {}),
  };
}
