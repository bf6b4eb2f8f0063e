/**
 * The search: one knob after the other, each value beside the one that the profile has. A value that wins is timed again, in a run that
 * shares nothing with the first; where it does not win there too, it was noise, and is discarded. What it is timed by is handed in.
 */
import { CapacityError } from '../../tensor/errors.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { knobOf, withKnob } from './tunables.ts';
import type { Tunable } from './tunables.ts';

/** Microseconds of a token, of those kernels alone that differ. */
export interface KnobTimes {
  readonly before: number;
  readonly after: number;
}

/**
 * What became of a knob. `absent`: no kernel of the model depends on it. `kept`: no other value was faster. `discarded`: one was, and not
 * a second time. `taken`: one was both times. `untimed`: it was not found out with the time, or the memory,
 * that there was.
 */
export type KnobOutcome = 'absent' | 'kept' | 'discarded' | 'taken' | 'untimed';

export interface KnobResult {
  readonly knob: string;
  readonly outcome: KnobOutcome;
  /** The profile's number, and the best of the others; equal where none was tried. */
  readonly from: number;
  readonly to: number;
  readonly first?: KnobTimes | undefined;
  readonly again?: KnobTimes | undefined;
}

/**
 * One run over several profiles, in turns: microseconds of each, of what they do otherwise than each other; undefined where they all do
 * the same, NaN for one whose kernels the device cannot run. Each call takes memory of its own.
 */
export type TimeProfiles = (profiles: readonly DeviceProfile[], tunable: Tunable) => Promise<readonly number[] | undefined>;

export interface TuneOptions {
  readonly profile: DeviceProfile;
  readonly tunables: readonly Tunable[];
  readonly time: TimeProfiles;
  /** Whether a knob that the device has no memory to try is `untimed`, and the next one follows; default: that is thrown. */
  readonly passesOver?: boolean | undefined;
  /** Told what became of each knob. */
  readonly onResult?: ((result: KnobResult) => void) | undefined;
}

/** Shares of the time before that a value must save in the first run, and in the second, in which nobody looked for the best of several. */
const LEAST_GAIN = 0.03;
const LEAST_GAIN_AGAIN = 0.015;

/** Of a knob that takes more time, or memory, than there is. */
export function untimed(profile: DeviceProfile, tunable: Tunable): KnobResult {
  const from = knobOf(profile, tunable);
  return { knob: tunable.name, outcome: 'untimed', from, to: from };
}

/** What was found of each knob; those taken are in the profile that the next ones are tried with. */
export async function tuneKnobs({ profile, tunables, time, passesOver = false, onResult }: TuneOptions): Promise<readonly KnobResult[]> {
  const results: KnobResult[] = [];
  let present = profile;
  for (const tunable of tunables) {
    const result = await tuneKnob(present, tunable, time).catch((error: unknown): KnobResult => {
      if (!passesOver || !(error instanceof CapacityError) || error.lost !== undefined) throw error;
      return untimed(present, tunable);
    });
    if (result.outcome === 'taken') present = withKnob(present, tunable, result.to);
    results.push(result);
    onResult?.(result);
  }
  return results;
}

async function tuneKnob(profile: DeviceProfile, tunable: Tunable, time: TimeProfiles): Promise<KnobResult> {
  const from = knobOf(profile, tunable);
  const others = tunable.values.filter((value) => value !== from);
  const result = { knob: tunable.name, from, to: from };
  const times = await time([profile, ...others.map((value) => withKnob(profile, tunable, value))], tunable);
  if (times === undefined) return { ...result, outcome: 'absent' };
  const [before = NaN, ...rest] = times;
  const after = Math.min(...rest.filter((each) => each > 0));
  const to = others[rest.indexOf(after)];
  if (to === undefined) return { ...result, outcome: 'kept' };
  const first = { before, after };
  if (!(after <= before * (1 - LEAST_GAIN))) return { ...result, to, first, outcome: 'kept' };
  const second = await time([profile, withKnob(profile, tunable, to)], tunable);
  const again = { before: second?.[0] ?? NaN, after: second?.[1] ?? NaN };
  const outcome = again.after <= again.before * (1 - LEAST_GAIN_AGAIN) ? 'taken' : 'discarded';
  return { ...result, to, first, again, outcome };
}
