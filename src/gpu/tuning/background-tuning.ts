/** Tuning while a GPU rests: after a program's first work, bounded, a piece at a time, for programs that are loaded later. */
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { GpuUse } from './idle-gate.ts';
import { tuneKnobs, untimed } from './tune-knobs.ts';
import type { KnobResult, TimeProfiles } from './tune-knobs.ts';
import { shapeClassOfModel, tunablesOf } from './tunables.ts';
import type { ShapeClass } from './tunables.ts';
import { mergedTuning, tunedProfile } from './tuning-record.ts';
import type { ClassTuning } from './tuning-record.ts';

/** What tuning found on a GPU, by class of models. */
export interface GpuTuning {
  /** Undefined: nothing yet. */
  of(shape: ShapeClass): ClassTuning | undefined;
  /** Is given what programs find while they rest, with what was known before; absent: they do not look. */
  readonly keep?: ((shape: ShapeClass, tuning: ClassTuning) => void | Promise<void>) | undefined;
}

/** What was found for the models of one class, and where to keep what is found. */
export interface TuningSearch {
  known(): ClassTuning | undefined;
  keep(tuning: ClassTuning): void | Promise<void>;
}

/** Another model of the class may have the kernels that one has not: its weights may be of another type. */
const isKnown = ({ outcome }: KnobResult) => outcome !== 'absent';

/** A model's profile with what was found for its class; `search` where that is not all. */
export function tuningOfModel(model: ModelGraphs, profile: DeviceProfile, tuning: GpuTuning | undefined): {
  readonly profile: DeviceProfile;
  readonly search: TuningSearch | undefined;
} {
  const shape = tuning && shapeClassOfModel(model);
  if (tuning === undefined || shape === undefined) return { profile, search: undefined };
  const found = tuning.of(shape);
  const { keep } = tuning;
  const isOver = keep === undefined || (found?.isWhole === true && found.knobs.every(isKnown));
  return {
    profile: found === undefined ? profile : tunedProfile(profile, found),
    search: isOver ? undefined : { known: () => tuning.of(shape), keep: (next) => keep(shape, next) },
  };
}

/** What the timer asks and tells. */
export interface TimerHooks {
  readonly mayWork: () => Promise<void>;
  readonly onWork: (milliseconds: number) => void;
}

export interface BackgroundTuningOptions extends TuningSearch {
  readonly model: string;
  /** The program's own. */
  readonly profile: DeviceProfile;
  readonly use: Pick<GpuUse, 'whenIdle'>;
  readonly createTimer: (hooks: TimerHooks) => TimeProfiles;
}

/** Of the device's time, in all, for each program that looks. */
export const MOST_DEVICE_MS = 10_000;

class TimeIsOver extends Error {}

/**
 * Looks for the knobs that are not known yet, and keeps what it found where its time is over or the program ends before the last of them:
 * another program goes on with the others. Resolves when nothing is under way. Nothing that goes wrong is told: a device that is lost tells
 * its program.
 */
export async function tuneInBackground(options: BackgroundTuningOptions): Promise<void> {
  try {
    await options.use.whenIdle((mayGoOn) => goOn(options, mayGoOn));
  } catch {
    // As above.
  }
}

async function goOn({ model, profile, createTimer, known, keep }: BackgroundTuningOptions, mayGoOn: () => Promise<void>): Promise<void> {
  // Another program of this class may have looked since this one was loaded.
  const before = known();
  const present = before === undefined ? profile : tunedProfile(profile, before);
  const missing = tunablesOf(present).filter(({ name }) => before?.knobs.some((each) => each.knob === name && isKnown(each)) !== true);
  const [first] = missing;
  if (first === undefined) return;
  const found: KnobResult[] = [];
  let deviceMs = 0;
  const timer = createTimer({
    async mayWork() {
      if (deviceMs >= MOST_DEVICE_MS) throw new TimeIsOver();
      await mayGoOn();
    },
    onWork: (milliseconds) => void (deviceMs += milliseconds),
  });
  const time: TimeProfiles = async (profiles, tunable) => {
    // What comes between its pieces, and where it has none, is work of the host.
    await mayGoOn();
    return timer(profiles, tunable);
  };
  try {
    await tuneKnobs({ profile: present, tunables: missing, time, passesOver: true, onResult: (result) => found.push(result) });
  } catch (error) {
    // Who comes next would not get further with a knob that takes all the time.
    if (error instanceof TimeIsOver && found.length === 0) found.push(untimed(present, first));
    if (found.length === 0) throw error;
  }
  if (before?.isWhole === true && !found.some(isKnown)) return;
  await keep(mergedTuning(before, {
    time: new Date().toISOString(), model, deviceMs: Math.round((before?.deviceMs ?? 0) + deviceMs),
    isWhole: found.length === missing.length, knobs: found,
  }));
}
