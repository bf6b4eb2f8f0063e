import { expect, it } from 'vitest';
import { planOfShape } from '../../bench/plan-of-shape.ts';
import { reportDecode } from '../plan/plan-report.ts';
import { profileTable } from '../profile/profile-table.ts';
import { PROFILES } from '../profile/profiles.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { tuneKnobs } from './tune-knobs.ts';
import type { KnobResult, TimeProfiles } from './tune-knobs.ts';
import { knobOf, shapeClassOf, shapeClassOfModel, tunablesOf } from './tunables.ts';
import { mergedTuning, parseTuning, printTuning, resultText, tunedProfile } from './tuning-record.ts';

const { nvidia } = PROFILES;
const OWNER = { adapter: 'H200', driver: '580.159.04', version: '1.0.0', profile: 'nvidia' };

/** Times that tests decide: by knob and value, in the first run of a knob and in the second. */
function timesOf(times: Readonly<Record<string, Readonly<Record<number, readonly [first: number, again?: number]>>>>) {
  const runs: string[] = [];
  const time: TimeProfiles = async (profiles, tunable) => {
    const own = times[tunable.name];
    const run = runs.filter((name) => name === tunable.name).length;
    runs.push(tunable.name);
    return own && profiles.map((profile) => own[knobOf(profile, tunable)]?.[run] ?? 100);
  };
  return { time, runs };
}

const HEAD_ROWS = { 'gemvInt8.headRows': { 8: [40, 41], 4: [30, 31], 16: [50], 32: [60] } } as const;

it('a value that wins twice is taken, and the knobs after it are timed with it', async () => {
  const tunables = tunablesOf(nvidia);
  const seen: number[] = [];
  const { time } = timesOf(HEAD_ROWS);
  const spy = async (profiles: readonly DeviceProfile[], tunable: (typeof tunables)[number]) => {
    seen.push((profiles[0] as DeviceProfile).knobs.gemvInt8.headRows);
    return time(profiles, tunable);
  };
  const results = await tuneKnobs({ profile: nvidia, tunables, time: spy });
  expect(results[0]).toEqual({
    knob: 'gemvInt8.headRows', outcome: 'taken', from: 8, to: 4, first: { before: 40, after: 30 }, again: { before: 41, after: 31 },
  });
  expect(results.slice(1).every(({ outcome }) => outcome === 'absent')).toBe(true);
  expect(results).toHaveLength(tunables.length);
  expect(seen).toEqual([8, 8, ...tunables.slice(1).map(() => 4)]);
});

it('one that wins once and not again is discarded, with both figures', async () => {
  const { time, runs } = timesOf({ 'gemvInt8.headRows': { 8: [40, 40], 4: [30, 40] } });
  const [result] = await tuneKnobs({ profile: nvidia, tunables: tunablesOf(nvidia).slice(0, 1), time });
  expect(result).toMatchObject({ outcome: 'discarded', first: { before: 40, after: 30 }, again: { before: 40, after: 40 } });
  expect(runs).toHaveLength(2);
  expect(tunedProfile(nvidia, { knobs: [result!] })).toBe(nvidia);
  expect(resultText(result!)).toContain('4 won once and not again (40.0 to 30.0 us a token, again 40.0 to 40.0 us a token)');
});

it('one that wins by less than runs differ, or whose kernels the device cannot run, is not tried again', async () => {
  const { time, runs } = timesOf({ 'gemvInt8.headRows': { 8: [40], 4: [39.5], 16: [NaN], 32: [NaN] } });
  const [result] = await tuneKnobs({ profile: nvidia, tunables: tunablesOf(nvidia).slice(0, 1), time });
  expect(result).toMatchObject({ outcome: 'kept', to: 4 });
  expect(runs).toHaveLength(1);
});

it('stored and read again it changes kernels of that class of models, and says why', async () => {
  const { time } = timesOf(HEAD_ROWS);
  const knobs = await tuneKnobs({ profile: nvidia, tunables: tunablesOf(nvidia), time });
  const tuning = { time: '2026-11-30T19:00:00.000Z', model: 'qwen3-0.6b', deviceMs: 900, isWhole: true, knobs };
  const text = printTuning({ ...OWNER, classes: { narrow: tuning } });
  const record = parseTuning(text, OWNER, tunablesOf(nvidia));
  expect(record?.classes.narrow).toEqual(tuning);
  const tuned = tunedProfile(nvidia, record!.classes.narrow!);
  const headOf = (profile: DeviceProfile) => {
    const { dispatches } = reportDecode(planOfShape({ model: 'qwen3-0.6b', type: 'q4_0', profile }), 128);
    return dispatches.find(({ kernel }) => kernel.label.startsWith('gemv-int8 q4_0 [151936'))?.workgroups;
  };
  expect(headOf(nvidia)?.[0]).toBe(151_936 / 8);
  expect(headOf(tuned)?.[0]).toBe(151_936 / 4);
  const reason = profileTable(tuned).find(({ choice }) => choice === 'gemvInt8')!.reason;
  expect(reason).toContain('Tuned here: gemvInt8.headRows 4 for 8 (40.0 to 30.0 us a token, again 41.0 to 31.0 us a token).');
});

it.each([
  ['adapter', 'H100'], ['driver', '590'], ['version', '1.0.1'], ['profile', 'generic'],
] as const)('of another %s it counts as none', (name, value) => {
  const text = printTuning({ ...OWNER, classes: {} });
  expect(parseTuning(text, OWNER, tunablesOf(nvidia))).toEqual({ ...OWNER, classes: {} });
  expect(parseTuning(text, { ...OWNER, [name]: value }, tunablesOf(nvidia))).toBeUndefined();
});

const KNOB = { knob: 'gemvInt8.headRows', outcome: 'taken', from: 8, to: 4 } as const;

/** A record of one class with one knob, but for what is changed. */
function recordOf(ofClass: object, ofKnob: object | null = {}): string {
  const knobs = [ofKnob && { ...KNOB, ...ofKnob }];
  return JSON.stringify({ ...OWNER, classes: { wide: { time: '', model: 'tiny', deviceMs: 1, isWhole: true, knobs, ...ofClass } } });
}

it('of two searches each knob is that of the later one, unless its model had no kernel for it', () => {
  const of = (...knobs: readonly KnobResult[]) => ({ time: '', model: 'tiny', deviceMs: 1, isWhole: false, knobs });
  const [absent, rows] = [{ ...KNOB, outcome: 'absent' }, { ...KNOB, knob: 'gemvInt8.rows' }] as const;
  expect(mergedTuning(of(KNOB, rows), { ...of(absent), isWhole: true })).toEqual({ ...of(KNOB, rows), isWhole: true });
  expect(mergedTuning(of(absent, rows), of(KNOB)).knobs).toEqual([rows, KNOB]);
  expect(mergedTuning(of(rows), of(absent)).knobs).toEqual([rows, absent]);
  expect(mergedTuning(undefined, of(absent))).toEqual(of(absent));
});

it('what nobody asks for is not taken over, and kernels that could not be run have no time', () => {
  const text = recordOf({ hook: 1 }, { outcome: 'discarded', hook: 1, first: { before: 3, after: 2 }, again: { before: NaN, after: NaN } });
  const record = parseTuning(text, OWNER, tunablesOf(nvidia));
  const [knob, ...others] = record!.classes.wide!.knobs;
  expect([Object.keys(record!.classes.wide!), others]).toEqual([['time', 'model', 'deviceMs', 'isWhole', 'knobs'], []]);
  expect(knob).toEqual({ ...KNOB, outcome: 'discarded', first: { before: 3, after: 2 }, again: { before: NaN, after: NaN } });
  expect(resultText(knob!)).toContain('again no time to no time us a token');
});

it.each([
  ['{', 'it is no JSON'],
  ['3', 'it is no object'],
  [JSON.stringify({ ...OWNER, classes: { huge: { knobs: [] } } }), 'huge is no class of shapes: narrow, middle, wide'],
  [JSON.stringify({ ...OWNER, classes: { wide: {} } }), 'the class wide has no list of knobs'],
  [JSON.stringify({ ...OWNER, classes: { wide: { knobs: [{ knob: 'a.b' }] } } }), 'a.b is no knob that is tuned'],
  [JSON.stringify({ ...OWNER, classes: { wide: { knobs: [{ knob: 'gemvInt8.headRows', outcome: 'won' }] } } }), 'was won, not absent'],
  [JSON.stringify({ ...OWNER, classes: { wide: { knobs: [{ knob: 'gemvInt8.headRows', outcome: 'taken', to: 7 }] } } }),
    'gemvInt8.headRows is 7, not one of 4, 8, 16, 32'],
  [recordOf({}, { from: '8' }), 'gemvInt8.headRows was tried from 8 to 4'],
  [recordOf({}, { first: 3 }), 'gemvInt8.headRows has no times'],
  [recordOf({}, { again: { before: '1', after: 2 } }), 'gemvInt8.headRows has no times'],
  [recordOf({}, null), 'nothing is no knob that is tuned'],
  [recordOf({ model: 'a\u001b[2Jb' }), 'does not say when it was tuned, and by which model'],
  [recordOf({ time: 'x'.repeat(201) }), 'does not say when it was tuned, and by which model'],
  [recordOf({ deviceMs: -1 }), 'the class wide took -1 ms'],
  [recordOf({ isWhole: 'yes' }), 'does not say whether it is whole'],
  [`{${JSON.stringify(OWNER).slice(1, -1)},"classes":{"__proto__":{"knobs":[]}}}`, '__proto__ is no class of shapes'],
])('%s is refused by name', (text, words) => {
  expect(() => parseTuning(text, OWNER, tunablesOf(nvidia))).toThrow(words);
});

it('every profile has numbers for all that is tuned on it, among those that are tried or beside them', () => {
  for (const profile of Object.values(PROFILES)) {
    const tunables = tunablesOf(profile);
    expect(tunables.length).toBeGreaterThan(1);
    for (const tunable of tunables) {
      expect(knobOf(profile, tunable), tunable.name).toBeGreaterThan(0);
      expect(tunable.values.length, tunable.name).toBeGreaterThan(1);
      expect(profile.why[tunable.choice].length).toBeGreaterThan(20);
    }
  }
});

it('classes go by width, and models have one', () => {
  expect([1024, 2047, 2048, 2560, 4096].map(shapeClassOf)).toEqual(['narrow', 'narrow', 'middle', 'middle', 'wide']);
  const classOf = (model: 'qwen3-0.6b' | 'qwen3-4b' | 'qwen3-8b') =>
    shapeClassOfModel(planOfShape({ model, type: 'q4_0', profile: PROFILES.generic }).options.model);
  expect([classOf('qwen3-0.6b'), classOf('qwen3-4b'), classOf('qwen3-8b')]).toEqual(['narrow', 'middle', 'wide']);
});
