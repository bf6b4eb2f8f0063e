import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { syntheticGraph, TINY } from '../../../test/synthetic-graph.ts';
import { modelOfDecoder } from '../../graph/model-graphs.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { PROFILES } from '../profile/profiles.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { MOST_DEVICE_MS, tuneInBackground, tuningOfModel } from './background-tuning.ts';
import type { TimerHooks } from './background-tuning.ts';
import { createIdleGate, IDLE_MS } from './idle-gate.ts';
import type { IdleGate } from './idle-gate.ts';
import { knobOf, tunablesOf } from './tunables.ts';
import type { Tunable } from './tunables.ts';
import type { KnobResult } from './tune-knobs.ts';
import { mergedTuning } from './tuning-record.ts';
import type { ClassTuning } from './tuning-record.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const { nvidia } = PROFILES;
const ALL = tunablesOf(nvidia).map(({ name }) => name);

interface RigOptions {
  /** How long each piece of work takes the device. */
  readonly pieceMs: number;
  readonly gate?: IdleGate;
  readonly stored?: { tuning?: ClassTuning };
  /** Families that no kernel of the model is of. */
  readonly absent?: string;
  /** A knob that is not tried, for this reason. */
  readonly refused?: { readonly knob: string; readonly error: Error };
}

/** A program on a device, whose knobs are the better the larger they are. */
function rig({ pieceMs, gate = createIdleGate(), stored = {}, absent, refused }: RigOptions) {
  const pieces: string[] = [];
  const froms: number[] = [];
  const createTimer = ({ mayWork, onWork }: TimerHooks) => async (profiles: readonly DeviceProfile[], tunable: Tunable) => {
    froms.push(knobOf(profiles[0]!, tunable));
    if (tunable.family === absent) return undefined;
    if (tunable.name === refused?.knob) throw refused.error;
    for (const _ of profiles) {
      await mayWork();
      pieces.push(tunable.name);
      onWork(pieceMs);
    }
    return profiles.map((profile) => 1 / knobOf(profile, tunable));
  };
  const use = gate.enter();
  use.loaded(async () => {});
  const tuning = tuneInBackground({
    model: 'tiny', profile: nvidia, use, createTimer, known: () => stored.tuning, keep: (found) => void (stored.tuning = found),
  });
  return { use, tuning, pieces, froms, stored };
}

it('nothing is done before the first work, nor while the program works, nor soon after', async () => {
  const { use, pieces, stored } = rig({ pieceMs: 10 });
  await vi.advanceTimersByTimeAsync(100_000);
  expect(pieces).toEqual([]);
  for (let i = 0; i < 50; i++) {
    use.work();
    await vi.advanceTimersByTimeAsync(IDLE_MS / 2);
  }
  expect(pieces).toEqual([]);
  await vi.advanceTimersByTimeAsync(IDLE_MS);
  expect(pieces.length).toBeGreaterThan(10);
  expect(stored.tuning).toMatchObject({ model: 'tiny', isWhole: true, deviceMs: 10 * pieces.length });
  expect(stored.tuning!.knobs.map(({ knob }) => knob)).toEqual(ALL);
});

it('where its time is over the next program goes on with the knobs that are missing, until there are all', async () => {
  const { use, pieces, stored } = rig({ pieceMs: 1000 });
  use.work();
  await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
  expect(pieces).toHaveLength(MOST_DEVICE_MS / 1000);
  const first = stored.tuning!;
  expect(first).toMatchObject({ isWhole: false, deviceMs: MOST_DEVICE_MS });
  expect(first.knobs.length).toBeGreaterThan(0);
  expect(first.knobs.length).toBeLessThan(ALL.length);
  let loads = 1;
  for (; !stored.tuning!.isWhole; loads++) {
    const before = stored.tuning!;
    const next = rig({ pieceMs: 1000, stored });
    next.use.work();
    await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
    expect(stored.tuning!.knobs.slice(0, before.knobs.length)).toEqual(before.knobs);
    for (const name of next.pieces) expect(before.knobs.map(({ knob }) => knob)).not.toContain(name);
    expect(stored.tuning!.deviceMs).toBe(before.deviceMs + 1000 * next.pieces.length);
    await next.tuning;
  }
  expect(loads).toBeGreaterThan(2);
  expect(stored.tuning!.knobs.map(({ knob }) => knob)).toEqual(ALL);
  expect(stored.tuning!.knobs.some(({ outcome }) => outcome === 'taken')).toBe(true);
  const whole = stored.tuning;
  const last = rig({ pieceMs: 1000, stored });
  last.use.work();
  await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
  expect([last.pieces, stored.tuning]).toEqual([[], whole]);
});

it('a knob that takes all the time is passed over, so that programs do not try it for ever', async () => {
  const stored: { tuning?: ClassTuning } = {};
  for (let load = 0; load < ALL.length; load++) {
    const { use } = rig({ pieceMs: MOST_DEVICE_MS, stored });
    use.work();
    await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
    expect(stored.tuning).toMatchObject({ isWhole: load === ALL.length - 1 });
    expect(stored.tuning!.knobs.map(({ outcome }) => outcome)).toEqual(ALL.slice(0, load + 1).map(() => 'untimed'));
  }
});

it('a knob that there is no memory to try is passed over, and the others are found; a device that is lost ends the search', async () => {
  const [first, second] = ALL as [string, string];
  const look = async (refused: RigOptions['refused']) => {
    const { use, tuning, stored } = rig({ pieceMs: 1, ...(refused && { refused }) });
    use.work();
    await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
    await tuning;
    return stored.tuning;
  };
  const passed = await look({ knob: first, error: new CapacityError('no memory') });
  expect(passed).toMatchObject({ isWhole: true });
  expect(passed!.knobs.map(({ knob }) => knob)).toEqual(ALL);
  expect(passed!.knobs.filter(({ outcome }) => outcome === 'untimed').map(({ knob }) => knob)).toEqual([first]);
  const lost = await look({ knob: second, error: new CapacityError('lost', { lost: 'device' }) });
  expect(lost).toMatchObject({ isWhole: false, knobs: [{ knob: first }] });
  expect(await look({ knob: first, error: new Error('wrong') })).toBeUndefined();
});

it('what another process has timed is not lost to one that had no time for it', () => {
  const of = (outcome: KnobResult['outcome'], to = 8): ClassTuning =>
    ({ time: '', model: 'tiny', deviceMs: 1, isWhole: false, knobs: [{ knob: 'x', outcome, from: 8, to }] });
  const merged = (before: ClassTuning, found: ClassTuning) => mergedTuning(before, found).knobs.map(({ outcome, to }) => [outcome, to]);
  expect(merged(of('taken', 4), of('untimed'))).toEqual([['taken', 4]]);
  expect(merged(of('untimed'), of('taken', 4))).toEqual([['taken', 4]]);
  expect(merged(of('kept'), of('taken', 4))).toEqual([['taken', 4]]);
  expect(merged(of('absent'), of('untimed'))).toEqual([['untimed', 8]]);
  expect(merged(of('untimed'), of('absent'))).toEqual([['untimed', 8]]);
});

it('knobs of kernels that one model has not are looked for by the next that has them, and those of none are written once', async () => {
  const stored: { tuning?: ClassTuning } = {};
  const look = async (absent?: string) => {
    const { use, tuning, pieces } = rig({ pieceMs: 1, stored, absent });
    use.work();
    await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
    await tuning;
    return [...new Set(pieces)];
  };
  const products = ALL.filter((name) => name.startsWith('gemvInt8.'));
  expect(await look('gemvInt8')).toEqual(ALL.filter((name) => !products.includes(name)));
  const first = stored.tuning!;
  expect(first.isWhole).toBe(true);
  expect(await look('gemvInt8')).toEqual([]);
  expect(stored.tuning).toBe(first);
  expect(await look()).toEqual(products);
  expect(stored.tuning!.knobs.some(({ outcome }) => outcome === 'absent')).toBe(false);
  expect(stored.tuning!.knobs.map(({ knob }) => knob).toSorted()).toEqual(ALL.toSorted());
  const last = stored.tuning;
  expect(await look('attention')).toEqual([]);
  expect(stored.tuning).toBe(last);
});

it('two programs of one GPU look one after the other, and the second only for what the first has not found', async () => {
  const gate = createIdleGate();
  const stored: { tuning?: ClassTuning } = {};
  const [a, b] = [rig({ pieceMs: 1000, gate, stored }), rig({ pieceMs: 10, gate, stored })];
  a.use.work();
  b.use.work();
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
  a.use.work();
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
  expect([a.pieces, b.pieces]).toEqual([[], []]);
  await vi.advanceTimersByTimeAsync(2);
  await Promise.all([a.tuning, b.tuning]);
  expect(a.pieces).toHaveLength(MOST_DEVICE_MS / 1000);
  expect(b.pieces.length).toBeGreaterThan(0);
  expect(stored.tuning!.isWhole).toBe(true);
  expect(stored.tuning!.knobs.map(({ knob }) => knob)).toEqual(ALL);
});

it('the end of the program ends it within a piece, and what was found by then is kept', async () => {
  const idle = rig({ pieceMs: 10 });
  idle.use.work();
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
  idle.use.leave();
  await idle.tuning;
  expect([idle.pieces, idle.stored.tuning]).toEqual([[], undefined]);

  const gate = createIdleGate();
  const { use, tuning, pieces, stored } = rig({ pieceMs: 10, gate });
  use.work();
  const other = gate.enter();
  await vi.advanceTimersByTimeAsync(IDLE_MS + 1);
  other.leave();
  // A piece is some microtasks.
  for (let i = 0; i < 2000 && new Set(pieces).size < 3; i++) await undefined;
  use.leave();
  await tuning;
  const count = pieces.length;
  expect(stored.tuning).toMatchObject({ isWhole: false });
  expect(stored.tuning!.knobs.length).toBeLessThan(ALL.length);
  await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
  expect(pieces).toHaveLength(count);
});

it('a program looks where not all is known, and obeys what is', () => {
  const model = modelOfDecoder(syntheticGraph(TINY));
  const taken = { knob: 'gemvInt8.headRows', outcome: 'taken', from: 8, to: 4 } as const;
  const found = (isWhole: boolean): ClassTuning => ({ time: '', model: 'tiny', deviceMs: 1, isWhole, knobs: [taken] });
  const of = (tuning: ClassTuning | undefined, keep?: () => void) => tuningOfModel(model, nvidia, { of: () => tuning, keep });
  const rowsOf = ({ profile }: { readonly profile: DeviceProfile }) => profile.knobs.gemvInt8.headRows;
  expect([of(undefined), of(found(false)), of(found(true))].map(rowsOf)).toEqual([8, 4, 4]);
  const without = { ...found(true), knobs: [{ ...taken, outcome: 'absent' as const }] };
  const searches = [undefined, found(false), without, found(true)].map((tuning) => of(tuning, () => {}).search !== undefined);
  expect(searches).toEqual([true, true, true, false]);
  expect(of(found(false)).search).toBeUndefined();
  expect(tuningOfModel(model, nvidia, undefined)).toEqual({ profile: nvidia, search: undefined });
});
