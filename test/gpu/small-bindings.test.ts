/** Mixtures of published sizes on a device with small bindings: nothing is refused, and weights are packed once. */
import { describe, expect, it } from 'vitest';
import { kernelsOfModel } from '../../src/gpu/plan/model-plan.ts';
import type { ModelPlan } from '../../src/gpu/plan/model-plan.ts';
import { beyondLimits } from '../../src/gpu/kernel.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import { elementsOf } from '../../src/tensor/tensor-type.ts';
import { planOfShape } from '../../src/bench/plan-of-shape.ts';

/** Of q4_k_m the second layer is the more precise; of LFM2 the first two have no experts. */
const LAYERS = { 'lfm2-8b-a1b': 4, 'qwen3-30b-a3b': 2, 'qwen3.5-35b-a3b': 2, 'gpt-oss-20b': 2 } as const;

/** Products with experts, of one row and of many, that read only some of a layer's matrices of experts. */
const IN_PIECES: Readonly<Record<string, readonly string[]>> = {
  'qwen3-30b-a3b q8_0': ['act[0..3]', 'act'],
  'qwen3-30b-a3b q4_k_m': ['down[0..1]', 'down'],
  'qwen3.5-35b-a3b q4_0': ['act[0..3]', 'act'],
  'qwen3.5-35b-a3b q8_0': ['act[0..2]', 'act[2..4]', 'act', 'down[0..3]', 'down'],
  'qwen3.5-35b-a3b q4_k_m': ['act[0..3]', 'act', 'down[0..1]', 'down[1..2]', 'down'],
  'gpt-oss-20b q8_0': ['act[0..2]', 'act[2..4]', 'act'],
  'gpt-oss-20b q4_k_m': ['act[0..1]', 'act[1..2]', 'act'],
};

/** How often the matrices of a plan hold each expert weight. */
function packedShares({ weights }: ModelPlan): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { weights: own, rows, cols } of weights.matrices.values()) {
    const elements = own.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
    for (const { id } of own) if (/moe/.test(id)) shares.set(id, (shares.get(id) ?? 0) + (rows * cols) / elements);
  }
  return shares;
}

describe.each(Object.keys(LAYERS) as (keyof typeof LAYERS)[])('%s on an unknown GPU, with bindings of 128 MiB', (model) => {
  it.each(['q4_0', 'q8_0', 'q4_k_m'] as const)('in %s', (type) => {
    const plan = planOfShape({ model, type, profile: PROFILES.generic, config: { layers: LAYERS[model] } });
    expect(kernelsOfModel(plan).flatMap((kernel) => beyondLimits(kernel, PROFILES.generic))).toEqual([]);
    const steps = [plan.decoder!.one.plan, ...[...plan.graphs.values()].map(({ many }) => many.plan)].flatMap((each) => each.steps);
    const pieces = steps.flatMap(({ op, label }) => (op.kind === 'expertLinear' && op.piece ? [label.replace(/^.*moe./, '')] : []));
    expect([...new Set(pieces)]).toEqual(IN_PIECES[`${model} ${type}`] ?? []);
    for (const [id, share] of packedShares(plan)) expect([id, share]).toEqual([id, expect.closeTo(1)]);
  });
});
