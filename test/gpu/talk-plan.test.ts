/** What a text token and a frame of LFM2.5-Audio dispatch at real shapes, in 8 bits: kept, since each dispatch is a wait. */
import { describe, expect, it } from 'vitest';
import { kvLayoutOf } from '../../src/engine/model-room.ts';
import { modeOf } from '../../src/gpu/plan/kernel-use.ts';
import { planModel } from '../../src/gpu/plan/model-plan.ts';
import type { ModelPlan } from '../../src/gpu/plan/model-plan.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import { sizesOf } from '../../src/graph/dims.ts';
import { ggufTensors } from '../../src/models/gguf-tensors.ts';
import { tensorTypes } from '../../src/models/gguf-mixes.ts';
import { lfm2Audio } from '../../src/models/lfm2-audio.ts';
import type { Lfm2AudioConfig } from '../../src/models/lfm2-audio-config.ts';
import { synthPlan } from '../../src/models/synth-shapes.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';

const CONTEXT = 2048;

function planOf(name: keyof typeof PROFILES): ModelPlan {
  const config = synthPlan('lfm2.5-audio-1.5b', 'q8_0').config as Lfm2AudioConfig;
  const tensors = ggufTensors(lfm2Audio.weights(config), 'lfm2.5-audio-1.5b');
  const chosen = tensorTypes(tensors, 'q8_0', config);
  const types = new Map(tensors.flatMap(({ weights }, n) => weights.map((id) => [id, chosen[n] as WeightType] as const)));
  return planModel({
    model: lfm2Audio.graphs(config, { contextLength: CONTEXT, constants: new Map() }), profile: PROFILES[name],
    typeOf: (id) => types.get(id) as WeightType,
    kv: kvLayoutOf(CONTEXT, { type: 'f16' }),
    sizes: { cells: 128 * 100, tokens: 64, frames: 64, rows: 64, outRows: 1, texts: 1, voices: 1, spans: 8 },
  });
}

/** Kernels of a run in which every dim is 1, with how often each is dispatched. */
function dispatchesOf(plan: ModelPlan, name: string): string {
  const { graph, limits, many } = plan.graphs.get(name)!;
  const sizes = sizesOf(graph.derivedDims, Object.fromEntries(Object.keys(limits).map((dim) => [dim, 1])));
  const counts = { sizes, tiles: 0, singles: 1, keys: 128 };
  const uses = many.plan.steps.flatMap((step) => many.usesOf(step, modeOf(counts, 'whole')));
  const labels = uses.filter(({ workgroups }) => workgroups(counts)[0] > 0).map(({ kernel }) => kernel.label);
  const lines = [...new Set(labels)].map((label) => `${String(labels.filter((each) => each === label).length).padStart(5)} ${label}`);
  return [`${name}: ${labels.length} dispatches`, ...lines].join('\n');
}

describe.each(['nvidia', 'apple-m4'] as const)('LFM2.5-Audio on %s', (name) => {
  it('dispatches of a text token and of a frame', async () => {
    const plan = planOf(name);
    const text = ['backbone', 'text', 'depth', 'frames', 'vocoder'].map((graph) => dispatchesOf(plan, graph)).join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot(`plans/lfm2-audio-step.${name}.txt`);
  });
});
