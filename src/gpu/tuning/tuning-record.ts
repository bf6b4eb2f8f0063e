/** What tuning found on a device, as text that people can read and another process obeys. */
import { FormatError } from '../../tensor/errors.ts';
import type { DeviceProfile, ProfileReasons } from '../profile/device-profile.ts';
import { SHAPE_CLASSES, tunablesOf, withKnob } from './tunables.ts';
import type { ShapeClass, Tunable } from './tunables.ts';
import type { KnobOutcome, KnobResult, KnobTimes } from './tune-knobs.ts';

/** Of models of one class. */
export interface ClassTuning {
  /** ISO 8601. */
  readonly time: string;
  /** Of the model whose shapes were timed. */
  readonly model: string;
  /** Milliseconds that the device worked for it, of all programs that did. */
  readonly deviceMs: number;
  /** False: its time, or the program, ended before the last knob; the next program goes on with the others. */
  readonly isWhole: boolean;
  readonly knobs: readonly KnobResult[];
}

/** Valid for one adapter, one driver, one version of this program, and one profile: kernels and defaults change between versions. */
export interface TuningRecord {
  readonly adapter: string;
  readonly driver: string;
  readonly version: string;
  readonly profile: string;
  readonly classes: Readonly<Partial<Record<ShapeClass, ClassTuning>>>;
}

export type TuningOwner = Omit<TuningRecord, 'classes'>;

const OUTCOMES: readonly KnobOutcome[] = ['absent', 'kept', 'discarded', 'taken', 'untimed'];

export function printTuning(record: TuningRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/**
 * @param owner whose record it must be
 * @returns undefined for another's, or one of an earlier version
 * @throws FormatError for a text that is none, or says what no knob can be
 */
export function parseTuning(text: string, owner: TuningOwner, tunables: readonly Tunable[]): TuningRecord | undefined {
  let record: TuningRecord;
  try {
    record = JSON.parse(text) as TuningRecord;
  } catch {
    throw damaged('it is no JSON');
  }
  if (!isObject(record)) throw damaged('it is no object');
  if (OWNER_NAMES.some((name) => record[name] !== owner[name])) return undefined;
  if (!isObject(record.classes)) throw damaged('it has no classes');
  const classes = Object.entries(record.classes).map(([name, tuning]) => [name, checkedClass(name, tuning, tunables)]);
  return { ...owner, classes: Object.fromEntries(classes) as TuningRecord['classes'] };
}

const OWNER_NAMES = ['adapter', 'driver', 'version', 'profile'] as const;

/** Texts are shown to people: in one line, and not without end. */
const MOST_TEXT = 200;

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MOST_TEXT && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value);

/** What is said of one class, and nothing else that stands there. */
function checkedClass(name: string, tuning: ClassTuning, tunables: readonly Tunable[]): ClassTuning {
  if (!SHAPE_CLASSES.includes(name as ShapeClass)) throw damaged(`${inWords(name)} is no class of shapes: ${SHAPE_CLASSES.join(', ')}`);
  if (!Array.isArray(tuning?.knobs)) throw damaged(`the class ${name} has no list of knobs`);
  const knobs = tuning.knobs.map((result) => checkedResult(result, tunables));
  const { time, model, deviceMs, isWhole } = tuning;
  if (!isText(time) || !isText(model)) throw damaged(`the class ${name} does not say when it was tuned, and by which model`);
  if (!(deviceMs >= 0) || !Number.isFinite(deviceMs)) throw damaged(`the class ${name} took ${inWords(deviceMs)} ms`);
  if (typeof isWhole !== 'boolean') throw damaged(`the class ${name} does not say whether it is whole`);
  return { time, model, deviceMs, isWhole, knobs };
}

function checkedResult(result: KnobResult, tunables: readonly Tunable[]): KnobResult {
  const tunable = tunables.find(({ name }) => name === result?.knob);
  if (tunable === undefined) {
    throw damaged(`${inWords(result?.knob)} is no knob that is tuned: ${tunables.map(({ name }) => name).join(', ')}`);
  }
  const { name: knob, values } = tunable;
  const { outcome, from, to } = result;
  if (!OUTCOMES.includes(outcome)) throw damaged(`${knob} was ${inWords(outcome)}, not ${OUTCOMES.join(', ')}`);
  if (outcome === 'taken' && !values.includes(to)) throw damaged(`${knob} is ${inWords(to)}, not one of ${values.join(', ')}`);
  if (!Number.isFinite(from) || !Number.isFinite(to)) throw damaged(`${knob} was tried from ${inWords(from)} to ${inWords(to)}`);
  const [first, again] = [checkedTimes(knob, result.first), checkedTimes(knob, result.again)];
  return { knob, outcome, from, to, ...(first && { first }), ...(again && { again }) };
}

/** Of kernels that the device could not run there are no times: JSON has null for that. */
function checkedTimes(knob: string, times: KnobTimes | undefined): KnobTimes | undefined {
  if (times === undefined) return undefined;
  const [before, after] = [times?.before, times?.after].map((each) => (each === null ? NaN : each));
  if (typeof before !== 'number' || typeof after !== 'number') throw damaged(`${knob} has no times`);
  return { before, after };
}

/** What stands in the file, for a message. */
function inWords(value: unknown): string {
  return isText(value) ? value : (JSON.stringify(value) ?? 'nothing').slice(0, MOST_TEXT);
}

function damaged(what: string): FormatError {
  return new FormatError(`What tuning found cannot be used: ${what}. Remove the file, or run "ingot doctor --tune" again.`);
}

/** How much an outcome says of a knob: what was timed says all, that it takes too long at least that kernels depend on it. */
const worthOf = ({ outcome }: KnobResult) => ({ absent: 0, untimed: 1, kept: 2, discarded: 2, taken: 2 })[outcome];

/**
 * What is found of a class beside what was known: the knobs of both, its own where both have one, unless it says less of that: its model
 * may have no kernel that depends on it, or there was no time for it.
 */
export function mergedTuning(before: ClassTuning | undefined, found: ClassTuning): ClassTuning {
  if (before === undefined) return found;
  const of = (knobs: readonly KnobResult[], name: string) => knobs.find(({ knob }) => knob === name);
  const own = found.knobs.filter((result) => worthOf(result) >= worthOf(of(before.knobs, result.knob) ?? result));
  const others = before.knobs.filter(({ knob }) => of(own, knob) === undefined);
  return { ...found, isWhole: found.isWhole || before.isWhole, knobs: [...others, ...own] };
}

/** A profile with what was found for models of a class. */
export function tunedProfile(profile: DeviceProfile, { knobs }: Pick<ClassTuning, 'knobs'>): DeviceProfile {
  let tuned = profile;
  const why: Record<string, string> = { ...profile.why };
  for (const tunable of tunablesOf(profile)) {
    const result = knobs.find(({ knob, outcome }) => outcome === 'taken' && knob === tunable.name);
    if (result === undefined) continue;
    tuned = withKnob(tuned, tunable, result.to);
    why[tunable.choice] = `${why[tunable.choice]} Tuned here: ${resultText(result)}.`;
  }
  return tuned === profile ? profile : { ...tuned, why: why as unknown as ProfileReasons };
}

const timeText = (microseconds: number) => (Number.isFinite(microseconds) ? microseconds.toFixed(1) : 'no time');
const timesText = ({ before, after }: KnobTimes) => `${timeText(before)} to ${timeText(after)} us a token`;

/** `gemvInt8.headRows 4 for 8 (41.2 to 38.0 us a token, again 41.0 to 38.1 us a token)` */
export function resultText({ knob, outcome, from, to, first, again }: KnobResult): string {
  const ofSecond = again === undefined ? [] : [`again ${timesText(again)}`];
  const times = [...(first === undefined ? [] : [timesText(first)]), ...ofSecond].join(', ');
  const shown = times === '' ? '' : ` (${times})`;
  switch (outcome) {
    case 'taken':
      return `${knob} ${to} for ${from}${shown}`;
    case 'discarded':
      return `${knob} stays ${from}: ${to} won once and not again${shown}`;
    case 'kept':
      return `${knob} stays ${from}${first === undefined ? '' : `: the best other is ${to}${shown}`}`;
    case 'untimed':
      return `${knob} stays ${from}: the background had not the time or the memory to time it, and "ingot doctor --tune" may have`;
    default:
      return `${knob} stays ${from}: no kernel of the model depends on it`;
  }
}
