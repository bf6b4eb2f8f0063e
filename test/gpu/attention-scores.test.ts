/** What a graph may say of its attention beside heads and scale, fused as the planner does it, against the reference. */
import { describe, expect, it } from 'vitest';
import { planModel } from '../../src/gpu/plan/model-plan.ts';
import { reportDecode, reportPrefill } from '../../src/gpu/plan/plan-report.ts';
import type { StepReport } from '../../src/gpu/plan/plan-report.ts';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import { gpuRules } from '../../src/gpu/plan/rules.ts';
import { PROFILES, PROFILE_NAMES } from '../../src/gpu/profile/profiles.ts';
import type { StepBatch } from '../../src/graph/decoder-steps.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { modelOfDecoder } from '../../src/graph/model-graphs.ts';
import { attentionGraph } from './attention-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

/** Prompts, single rows with keys in one part and in several, rows of two sequences together. */
const BATCHES: readonly StepBatch[] = [
  { sequences: [sequence(11, { outputs: [0, 4, 10] })] },
  { sequences: [sequence(1, { start: 11 })] },
  { sequences: [sequence(3, { start: 12 }), sequence(7, { pages: [9], seed: 5, outputs: [2, 6] })] },
  { sequences: [sequence(1, { start: 15 })] },
  { sequences: [sequence(1, { start: 16 }), sequence(1, { start: 7, pages: [9], seed: 5 })] },
];

const { float, int8, subgroupFloat } = TEST_PROFILES;

interface CheckOptions {
  readonly batches?: readonly StepBatch[];
  readonly withoutRules?: readonly string[];
}

/** The plan of a graph whose results are the reference's. */
async function check(graph: Graph, profile: DeviceProfile, { batches = BATCHES, withoutRules }: CheckOptions = {}): Promise<string> {
  const isInt8 = profile.activations === 'int8';
  const pair = await loadPair({
    shape: graph, profile, withoutRules, tolerance: isInt8 ? 2e-2 : 2e-5,
    weights: { typeOf: () => (isInt8 ? 'q8_0' : 'f32'), kv: { type: 'f32' } },
  });
  try {
    await compareRuns(pair, batches);
    return pair.found.printPlan();
  } finally {
    await pair.dispose();
  }
}

const small = { width: 16, rotaryDim: 16 };

describe.each([['float', float], ['int8', int8], ['subgroupFloat', subgroupFloat]] as const)(
  'by the profile %s', (_, profile) => {
    it('softcap, sinks, temperature, windows, and all of them', async () => {
      const temperature = { beta: 0.4, length: 3 };
      await check(attentionGraph([
        { ...small, softcap: 0.7 }, { ...small, sinks: true }, { ...small, temperature }, { ...small, sinks: true, window: 5 },
        { ...small, rotaryDim: 6, softcap: 0.7, sinks: true, temperature, window: 5 },
      ]), profile);
    });

    it('keys and values of another layer, whose queries are prepared as they are read', async () => {
      const plan = await check(attentionGraph([
        { ...small, window: 6 }, { ...small, rotaryDim: 8 },
        { ...small, owner: 0 }, { ...small, rotaryDim: 8, owner: 1, sinks: true, softcap: 0.7 },
      ]), profile);
      expect(plan).toContain('heads=4 state=paged.0 window=6 stored q=(norm layers.2.q_norm, rope rope.16)');
      expect(plan).toContain('rule rope-attention x4');
    });

    it.skipIf(profile === int8)('rows that turn by other positions than those at which they are kept', async () => {
      const batches = BATCHES.map((batch): StepBatch => ({
        sequences: batch.sequences.map((own) => ({ ...own, shift: own.start > 0 ? -own.start + (own.start % 5) : 0 })),
      }));
      const graph = attentionGraph([
        { ...small, sinks: true, window: 5 }, { width: 24, rotaryDim: 8, gate: true },
      ], true, true);
      const plan = await check(graph, profile, { batches });
      expect(plan).toContain('shifted q=(norm layers.0.q_norm, rope rope.16) k=(norm layers.0.k_norm, rope rope.16)');
      expect(plan).toContain('rule rope-attention x2');
    });

    it('norms of heads without gains', async () => {
      const plan = await check(attentionGraph([
        { ...small, vNorm: true }, { ...small, ungained: true, vNorm: true, window: 5 },
        { ...small, vNorm: true, keysAsValues: true },
      ]), profile);
      expect(plan).toContain('joined q=(norm layers.0.q_norm, rope rope.16) k=(norm layers.0.k_norm, rope rope.16) v=(norm 1*16)');
      expect(plan).toContain('joined q=(norm 1*16, rope rope.16) k=(norm 1*16, rope rope.16) v=(norm 1*16)');
      expect(plan).toContain('state=paged.2 q=(norm layers.2.q_norm, rope rope.16) k=(norm layers.2.k_norm, rope rope.16) v=(norm 1*16)');
    });

    it('results with gates, whose products join those of q, k and v', async () => {
      const plan = await check(attentionGraph([
        { ...small, gate: true }, { ...small, gate: true, sinks: true, window: 5 }, { width: 24, rotaryDim: 8, gate: true },
      ]), profile);
      expect(plan).toContain('rule gated-attention x3');
      expect(plan).toContain('joined gated q=(norm layers.0.q_norm');
    });

    it('windows on both sides', async () => {
      const batches = [
        { sequences: [sequence(23, { outputs: [0, 11, 22] }), sequence(9, { pages: [9, 10], seed: 5, outputs: [3] })] },
        { sequences: [sequence(1, { start: 23 })] },
        { sequences: [sequence(1, { start: 24 }), sequence(1, { start: 9, pages: [9, 10], seed: 5 })] },
        { sequences: [sequence(1, { pages: [11] })] },
      ];
      await check(attentionGraph([{ ...small, window: 7 }, small, { ...small, window: 1, sinks: true }], false), profile, { batches });
    });
  },
);

it('heads of 64 and 256, and layers that share either', async () => {
  const plan = await check(attentionGraph([
    { width: 64, rotaryDim: 64, window: 6, vNorm: true }, { width: 256, rotaryDim: 64, vNorm: true },
    { width: 64, rotaryDim: 64, owner: 0 }, { width: 256, rotaryDim: 64, owner: 1 },
  ]), float);
  expect(plan).toContain('state=paged.1 stored');
});

it('heads that are prepared in steps of their own', async () => {
  const graph = attentionGraph([
    { ...small, vNorm: true, sinks: true }, { ...small, ungained: true, vNorm: true }, { ...small, owner: 0, softcap: 0.7 },
  ]);
  const plan = await check(graph, int8, { withoutRules: gpuRules(() => 'q8_0').map(({ name }) => name) });
  expect(plan).toMatch(/state=paged.0 softcap=0.7 stored +#/);
});

it('gates of results on a device of 8 storage buffers, as products of their own again', async () => {
  const graph = attentionGraph([{ ...small, gate: true }, { ...small, gate: true, vNorm: true }]);
  const plan = await check(graph, { ...float, storageBuffers: 8 });
  expect(plan).toContain('rule gated-attention x2');
  expect(plan).not.toContain(' gated q=');
});

it('a device of 8 storage buffers, by which norms and rotations become steps of their own', async () => {
  const plan = await check(
    attentionGraph([
      { ...small, vNorm: true }, { ...small, ungained: true, vNorm: true, sinks: true }, { ...small, sinks: true, owner: 0 },
    ]),
    { ...float, storageBuffers: 8 },
  );
  expect(plan).toMatch(/rule cut-to-limits x[1-9]/);
});

it.each(PROFILE_NAMES)('all that belongs to attention is in its own dispatches, by the profile %s', (name) => {
  const profile = PROFILES[name];
  const all = { width: 256, rotaryDim: 64, sinks: true, softcap: 50, temperature: { beta: 0.1, length: 100 }, window: 4096 } as const;
  const graph = attentionGraph([{ ...all, vNorm: true }, { ...all, owner: 0 }, { ...all, width: 64, ungained: true, vNorm: true }]);
  const plan = planModel({
    model: modelOfDecoder(graph), profile, sizes: { rows: 64 }, kv: { type: 'f16', pageTokens: 32, maxPages: 256 },
    typeOf: (id) => (/sinks|norm/.test(id) ? 'f32' : 'q4_0'),
  });
  // Where there are matrix units, they take the tiles that fit: plan.test.ts shows which.
  const nameOf = (label: string) => (label.split(' ')[0] as string).replace('attention-matrix', 'attention-prefill');
  const kernelsOf = ({ dispatches }: StepReport) => [0, 1, 2].map((layer) =>
    dispatches.filter(({ step }) => step === `layers.${layer}.attend`).map(({ kernel }) => nameOf(kernel.label)));
  expect(kernelsOf(reportDecode(plan, 128))).toEqual([0, 1, 2].map(() => ['attention-decode']));
  expect(kernelsOf(reportDecode(plan, 2048))).toEqual([0, 1, 2].map(() => ['attention-decode', 'attention-combine']));
  const prefill = ['kv-write', 'attention-prefill'];
  expect(kernelsOf(reportPrefill(plan, 64))).toEqual([prefill, prefill.slice(1), prefill]);
  // Norms, rotations and rounding of the heads are nowhere else.
  const others = reportDecode(plan, 128).dispatches.filter(({ step }) => /attend|_norm|_rope/.test(step));
  expect(others.length).toBe(3);
});
