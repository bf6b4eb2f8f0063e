/** Every op has kernels of its own: with any rule taken out, results stay what the reference says. */
import { expect, it } from 'vitest';
import { gpuRules } from '../../src/gpu/plan/rules.ts';
import type { StepBatch } from '../../src/graph/decoder-steps.ts';
import { slotStates } from '../../src/graph/state.ts';
import { DELTA_NET_GRAPH } from '../delta-net-graph.ts';
import { familyGraph, tinyFamily } from '../family-graphs.ts';
import type { FamilyName } from '../family-graphs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { attentionGraph } from './attention-graph.ts';
import { EXPERT_GRAPHS, expertTypes } from './expert-graphs.ts';
import { syntheticGraph, TINY } from '../synthetic-graph.ts';
import type { CheckedModel } from './executor-check.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import { MODEL_OP_GRAPHS } from './model-op-graphs.ts';
import { planOfGraph } from '../../src/bench/plan-of-shape.ts';

const RULES = gpuRules(() => 'q8_0').map(({ name }) => name);
const { int8, float } = TEST_PROFILES;

type Shape = CheckedModel['shape'];

const BLOCKS: Shape = { ...TINY, layers: 1, qkNorm: true };
const PER_LAYER: Shape = familyGraph(tinyFamily('gemma4'));
const CONVOLUTION = MODEL_OP_GRAPHS.get('a convolution between gates') as Shape;
const EXPERTS = EXPERT_GRAPHS.get('qwen3_moe') as Graph;
/** Rules for gates, norms behind blocks, convolutions, delta rules, experts, embeddings of each layer, norms of rows of q and k. */
const OF_FAMILIES: Readonly<Record<string, Shape>> = {
  'scale-norm': PER_LAYER, 'norm-residual': PER_LAYER, 'norm-residual-scale': PER_LAYER, 'columns-activation': PER_LAYER,
  'sum-product': PER_LAYER, 'linear-activation': PER_LAYER, 'linear-softcap': PER_LAYER,
  'joined-row-norms': familyGraph(tinyFamily('olmo3')),
  'embed-sum': MODEL_OP_GRAPHS.get('sums of embeddings') as Shape,
  'convolution-gates': CONVOLUTION, 'convolution-activation': DELTA_NET_GRAPH, 'delta-net': DELTA_NET_GRAPH,
  'expert-gate-up-activation': EXPERTS, 'expert-product-sum': EXPERTS, 'expert-sum-residual': EXPERTS, 'shared-norm': EXPERTS,
  'gated-attention': attentionGraph([{ width: 16, rotaryDim: 16, gate: true }]),
  'scaled-route': EXPERT_GRAPHS.get('gemma4') as Graph,
  'shared-expert': EXPERT_GRAPHS.get('qwen3_5_moe') as Graph,
};

async function check(withoutRules: readonly string[], profile: typeof int8 | typeof float, shape: Shape): Promise<void> {
  const isFloat = profile === float;
  const pair = await loadPair({
    profile, withoutRules, shape,
    weights: { typeOf: expertTypes(isFloat ? 'f32' : 'q8_0') },
    tolerance: isFloat ? 2e-5 : 5e-3,
  });
  try {
    withoutRules.forEach((rule) => expect(pair.found.printPlan()).not.toContain(`rule ${rule} `));
    const batches: readonly StepBatch[] = [
      { sequences: [sequence(11, { outputs: [3, 10] })], ...('nodes' in shape ? {} : { taps: ['hidden.0', 'hidden.1'] }) },
      { sequences: [sequence(1, { start: 11 })] },
      { sequences: [sequence(4, { start: 12, outputs: [] })] },
      { sequences: [sequence(1, { start: 16 })] },
      { sequences: [sequence(1, { start: 17 }), sequence(1, { pages: [9], seed: 3 }), sequence(1, { start: 0, pages: [10], seed: 8 })] },
    ];
    const hasSlots = 'nodes' in shape && slotStates(shape.states).length > 0;
    if (hasSlots) for (const program of [pair.wanted, pair.found]) program.ensureSlots(6);
    const inSlots = ({ sequences, ...batch }: StepBatch) => ({
      ...batch, sequences: sequences.map((each, n) => ({ ...each, slots: { read: n, write: n + 3 } })),
    });
    await compareRuns(pair, hasSlots ? batches.map(inSlots) : batches);
  } finally {
    await pair.dispose();
  }
}

const CASES: readonly (readonly [what: string, withoutRules: readonly string[], profile: typeof int8 | typeof float])[] = [
  // Two rules are for inputs that are rounded to int8; the kernels of floats compile faster.
  ...RULES.map((rule) => [rule, [rule], rule.includes('quantize') ? int8 : float] as const),
  ['all rules', RULES, int8],
  ['all rules, float activations', RULES, float],
];

it.each(RULES)('%s fires in the graph that is run without it', (rule) => {
  const shape = OF_FAMILIES[rule] ?? BLOCKS;
  const [profile, type] = rule.includes('quantize') ? [int8, 'q8_0' as const] : [float, 'f32' as const];
  const graph = 'nodes' in shape ? shape : syntheticGraph(shape);
  const { decoder } = planOfGraph({ graph, profile, type, typeOf: expertTypes(type) });
  expect([...decoder!.one.plan.fused, ...decoder!.many.plan.fused].some(([name, count]) => name === rule && count > 0)).toBe(true);
});

it.each(CASES)('without %s', (what, withoutRules, profile) => check(withoutRules, profile, OF_FAMILIES[what] ?? BLOCKS));

it.each([int8, float])('layers with experts, without any rule', (profile) => check(RULES, profile, EXPERTS), 240_000);

it.each([int8, float])('layers with embeddings of their own, without any rule', (profile) => check(RULES, profile, PER_LAYER), 240_000);

const FAMILIES = ['gemma3', 'gemma4', 'olmo3'] as const satisfies readonly FamilyName[];
const FAMILY_CASES = FAMILIES.flatMap((family) => (['int8', 'float'] as const).map((profile) => [family, profile] as const));

it.each(FAMILY_CASES)('layers as %s has them, by the profile %s', async (family, profile) => {
  await check([], TEST_PROFILES[profile], familyGraph(tinyFamily(family)));
}, 240_000);
