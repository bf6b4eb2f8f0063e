/** Tokens whose dispatches share bind groups: the same bits as those of plain dispatches, whatever happens between them. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { planOfShape } from '../../src/bench/plan-of-shape.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { sharesGroups } from '../../src/gpu/plan/group-choice.ts';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import type { ChoosingRows, Program, TokenChoice } from '../../src/graph/executor.ts';
import { stateGroups } from '../../src/graph/state.ts';
import { openDecoder } from '../../src/models/open-decoder.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { locate } from '../../src/node/open-path.ts';
import { CapacityError } from '../../src/tensor/errors.ts';
import { goldenPath, hasGolden } from '../goldens.ts';
import { callsOf } from './calls-of.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

vi.setConfig({ testTimeout: 300_000 });
afterEach(() => void vi.restoreAllMocks());

const GREEDY: TokenChoice = {
  sampling: {
    temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1,
  },
  history: { promptIds: [], outputIds: [] },
};
const PAGE_TOKENS = 4;
/** Keys are split from 14 on. */
const TOKENS = 18;
const BURST = 3;

const sharing = (profile: DeviceProfile, bytes = Infinity): DeviceProfile =>
  ({ ...profile, knobs: { ...profile.knobs, groups: { bytes } } });

async function load(path: string, profile: DeviceProfile): Promise<Program> {
  const executor = await softwareExecutor({ profile: { ...profile, stepsPerSubmit: BURST } });
  const checkpoint = await openCheckpoint(await locate(path));
  try {
    const { model, weights } = await openDecoder(checkpoint);
    const kv = { type: 'f16', pageTokens: PAGE_TOKENS, maxPages: 1024 } as const;
    const program = await executor.load({ model, weights, kv, sizes: { rows: 8 } });
    await program.prepare?.();
    return program;
  } finally {
    await checkpoint.close();
  }
}

/** Of a page of a sequence: the third and those behind it want more memory than states have at first, so that they grow. */
const pageOf = (n: number, i: number) => 2 * i + n + (i < 2 ? 0 : FAR);
const FAR = 300;

/** Two sequences in turns, each a row a step, over pages that come as they are needed; then several steps of one in a submit. */
function turnsOf(program: Program) {
  const chooser = program.chooser!;
  const groups = [...stateGroups(program.model.states).keys()];
  const hasSlots = program.model.states.some(({ kind }) => kind === 'slot');
  if (hasSlots) program.ensureSlots(3);
  const choices = [0, 1].map(() => chooser.open(GREEDY));
  const rowsOf = (n: number, end: number) => {
    const pages = Array.from({ length: Math.ceil(end / PAGE_TOKENS) }, (_, i) => pageOf(n, i));
    for (const group of groups) program.ensurePages(group, Math.max(...pages) + 1);
    return { pages: groups.map(() => pages), slots: hasSlots ? { read: n + 1, write: n + 1 } : undefined, choice: choices[n]! };
  };
  const submit = async (rows: ChoosingRows, steps = 1) => {
    const [found] = await (await chooser.submit({ sequences: [rows], steps })).results;
    return found!;
  };
  return {
    step: (n: number, start: number) =>
      submit({ ...rowsOf(n, start + 1), tokens: [(start * 37 + n * 11 + 5) % 50], start, wanted: 'logits' }).then(({ logits }) => logits!),
    burst: (start: number) =>
      submit({ ...rowsOf(0, start + BURST), tokens: [3], start, wanted: 'token' }, BURST).then(({ tokens }) => tokens),
  };
}

/** Bits of what all steps leave, the tokens of the last ones, and calls of single steps. */
async function run(program: Program) {
  const turns = turnsOf(program);
  const bits: Uint32Array[] = [];
  const calls: Record<string, number>[] = [];
  for (let start = 0; start < TOKENS; start++)
    for (const n of start % 3 === 0 ? [0, 1] : [0]) {
      const step = async () => void bits.push(new Uint32Array((await turns.step(n, n === 0 ? start : start / 3)).buffer));
      calls.push(await callsOf(step));
    }
  return { bits, calls, tokens: await turns.burst(TOKENS) };
}

const CASES: readonly (readonly [string, () => string, DeviceProfile, boolean])[] = [
  ...(['llama', 'qwen3', 'gemma3', 'lfm2_plain'] as const).map((name) =>
    [name, () => goldenPath(name), TEST_PROFILES.float, hasGolden(name)] as const),
  ['ember', bundledModelPath, TEST_PROFILES.int8, true],
];

describe.each(CASES)('%s', (_name, path, profile, isThere) => {
  it.skipIf(!isThere)('has the same logits and tokens', async () => {
    const [plain, shared] = [await load(path(), profile), await load(path(), sharing(profile))];
    try {
      const [wanted, found] = [await run(plain), await run(shared)];
      expect(found.bits).toEqual(wanted.bits);
      expect(found.tokens).toEqual(wanted.tokens);
      expect(wanted.calls.every(({ setBindGroup, dispatchWorkgroups }) => setBindGroup === dispatchWorkgroups)).toBe(true);
      // Each step is in groups, of keys that are split too, and they are bound again where pages have grown.
      for (const [i, { setBindGroup, dispatchWorkgroups }] of found.calls.entries()) {
        expect(dispatchWorkgroups).toBe(wanted.calls[i]?.['dispatchWorkgroups']);
        expect(setBindGroup! * 2).toBeLessThan(dispatchWorkgroups!);
      }
      expect(found.calls.filter(({ createBindGroup }) => createBindGroup! > 0).length).toBeGreaterThan(2);
      expect(shared.memory.workBytes).toBeGreaterThan(plain.memory.workBytes);
    } finally {
      await Promise.all([plain.dispose(), shared.dispose()]);
    }
  });
});

it('a device without room for the values runs plain dispatches', async () => {
  const create = GpuDevice.prototype.createBuffer;
  vi.spyOn(GpuDevice.prototype, 'createBuffer').mockImplementation(function (this: GpuDevice, options) {
    if (options.label === 'values of a token') throw new CapacityError('no room');
    return create.call(this, options);
  });
  const program = await load(goldenPath('llama'), sharing(TEST_PROFILES.float));
  const calls = await callsOf(async () => void (await turnsOf(program).step(0, 0)));
  expect(calls['setBindGroup']).toBe(calls['dispatchWorkgroups']);
  await program.dispose();
});

it('small models alone share groups, and only by a profile that wants it', () => {
  const layers = { 'qwen3-0.6b': 28, 'gemma-3-1b': 26, 'qwen3-4b': 36 };
  const isSharing = (model: keyof typeof layers, profile: DeviceProfile) =>
    sharesGroups(planOfShape({ model, type: 'q4_0', profile, config: { layers: layers[model] } }));
  const models = ['qwen3-0.6b', 'gemma-3-1b', 'qwen3-4b'] as const;
  expect(models.map((model) => isSharing(model, PROFILES.nvidia))).toEqual([true, false, false]);
  expect(isSharing('gemma-3-1b', sharing(PROFILES.nvidia, 5e6))).toBe(true);
  const plan = planOfShape({ model: 'qwen3-0.6b', type: 'q4_0', profile: PROFILES.nvidia, config: { layers: 28 } });
  const coded = { ...plan, options: { ...plan.options, kv: { ...plan.options.kv, type: 'q8' as const } } };
  expect([plan, coded].map(sharesGroups)).toEqual([true, false]);
  expect(isSharing('qwen3-0.6b', sharing(PROFILES.nvidia, 0))).toBe(false);
  const others = Object.values(PROFILES).filter(({ name }) => name !== 'nvidia');
  expect(others.map(({ knobs }) => knobs.groups.bytes)).toEqual(others.map(() => 0));
});
