/** What the planner makes of real shapes: its print, kept; its fusion rules; its counts. No device is needed. */
import { describe, expect, it } from 'vitest';
import type { ModelPlan } from '../../src/gpu/plan/model-plan.ts';
import { printModelPlan, printReport, reportDecode, reportPrefill } from '../../src/gpu/plan/plan-report.ts';
import { gpuRules } from '../../src/gpu/plan/rules.ts';
import { PROFILE_NAMES, PROFILES } from '../../src/gpu/profile/profiles.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { planForProfile } from '../../src/node/gpu-plan.ts';
import { FAMILIES, familyGraph } from '../family-graphs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { EXPERT_GRAPHS, EXPERT_SHAPES, expertGraph, expertTypes } from './expert-graphs.ts';
import { planOfGraph, planOfShape } from '../../src/bench/plan-of-shape.ts';
import { MODEL_OP_GRAPHS } from './model-op-graphs.ts';
import { E2B_LAYERS, gemma3Shape, gemma4Shape, lfm2Shape, olmo3Shape, qwen35Shape } from './published-shapes.ts';
import type { ModelGraphs } from '../../src/graph/model-graphs.ts';
import type { ShapeOptions } from '../../src/bench/plan-of-shape.ts';
import { pagedStates } from '../../src/graph/state.ts';

type Shape = Omit<ShapeOptions, 'profile'>;

const SHAPES: Readonly<Record<string, Shape>> = {
  'llama-3.2-3b-q4_0': { model: 'llama-3.2-3b', type: 'q4_0' },
  'qwen3-4b-q4_k_m': { model: 'qwen3-4b', type: 'q4_k_m' },
};
const SHAPE_NAMES = Object.keys(SHAPES);
/**
 * Two layers of Gemma 3 1B, of OLMo 3 7B, of LFM2.5 1.2B and of Qwen3.5 4B; of Gemma 4 E2B both kinds with keys and values of their own,
 * and of another layer.
 */
const FAMILY_GRAPHS: Readonly<Record<string, ModelGraphs>> = {
  gemma3: gemma3Shape(), gemma4: gemma4Shape([13, 14, 15, 19]), olmo3: olmo3Shape(), lfm2: lfm2Shape(),
  qwen35: qwen35Shape(),
};
/** A layer of experts as Qwen3-30B-A3B has them. */
const LAYER_SHAPE = { ...EXPERT_SHAPES.qwen3_moe, dim: 2048, experts: 128, used: 8, ffnDim: 768 };
const EXPERT_LAYER = expertGraph(LAYER_SHAPE);
/** As Qwen3.5 35B A3B has them, fewer, with one that all rows go to. */
const SHARED_EXPERT = expertGraph({ ...EXPERT_SHAPES.qwen3_5_moe, dim: 2048, experts: 64, used: 8, ffnDim: 512, sharedDim: 512 });
/** Rows of tables that are added. */
const SUMS = MODEL_OP_GRAPHS.get('sums of embeddings') as Graph;
/** Floats of which every device binds all that one kernel reads. */
const FEWER_EXPERTS = expertGraph({ ...LAYER_SHAPE, experts: 32 });
const KEPT_PROFILES = ['nvidia', 'apple-m4', 'software'] as const;

/** Decode and prefill, as `ingot kernels` shows them. */
const printed = (plan: ModelPlan) => `${printModelPlan(plan)}\n\n${printReport(reportPrefill(plan, plan.maxRows))}\n`;

describe.each(KEPT_PROFILES)('the plan for %s', (name) => {
  const profile = PROFILES[name];

  it('of ember', async () => {
    await expect(printed(await planForProfile(bundledModelPath(), { profile: name }))).toMatchFileSnapshot(`plans/ember-q4_0.${name}.txt`);
  });

  it.each(Object.keys(FAMILY_GRAPHS))('of layers of %s', async (family) => {
    const plan = planOfGraph({ graph: FAMILY_GRAPHS[family] as ModelGraphs, type: 'q4_0', profile });
    await expect(printed(plan)).toMatchFileSnapshot(`plans/${family}-layers.${name}.txt`);
  });

  it('of a layer with experts', async () => {
    const plan = planOfGraph({ graph: EXPERT_LAYER, type: 'q4_0', typeOf: expertTypes('q4_0'), profile });
    await expect(printed(plan)).toMatchFileSnapshot(`plans/expert-layer.${name}.txt`);
  });

  it.each(SHAPE_NAMES)('of %s', async (shape) => {
    await expect(printed(planOfShape({ ...SHAPES[shape], profile }))).toMatchFileSnapshot(`plans/${shape}.${name}.txt`);
  });
});

describe('fusion rules', () => {
  const rules = gpuRules(() => 'q4_0').map(({ name }) => name);
  const shape: Shape = { model: 'qwen3-0.6b', type: 'q4_0' };
  /** Each kind of arithmetic, and each kind of block, has a rule that the others do not need. */
  const plans = (withoutRules: readonly string[]) =>
    [PROFILES.nvidia, PROFILES['apple-m4']].flatMap((profile) => [
      planOfShape({ ...shape, profile, withoutRules }),
      ...([FAMILIES.gemma4, FAMILIES.olmo3] as const).map((family) =>
        planOfGraph({ graph: familyGraph(family), type: 'q4_0', profile, withoutRules })),
      ...[lfm2Shape(), qwen35Shape(), SUMS].map((graph) => planOfGraph({ graph, type: 'q4_0', profile, withoutRules })),
      ...[EXPERT_LAYER, SHARED_EXPERT, EXPERT_GRAPHS.get('gemma4') as Graph].map((graph) =>
        planOfGraph({ graph, type: 'q4_0', typeOf: expertTypes('q4_0'), profile, withoutRules })),
    ]);
  const texts = (withoutRules: readonly string[]) => plans(withoutRules).map(printed);
  /** Without the lines that only say how often rules fired. */
  const work = (text: string) => text.split('\n').filter((line) => !line.startsWith('  rule ')).join('\n');

  const whole = texts([]);

  it.each(rules)('%s changes the plan when it is taken out', (rule) => {
    const without = texts([rule]);
    expect(without.map(work)).not.toEqual(whole.map(work));
    expect(without.some((text) => text.includes(`rule ${rule} `))).toBe(false);
  });

  it('fire in the shapes that they are for', () => {
    const fired = plans([])
      .flatMap(({ decoder }) => [decoder!.one, decoder!.many])
      .flatMap(({ plan }) => [...plan.fused].filter(([, count]) => count > 0).map(([rule]) => rule));
    expect([...new Set(fired)].toSorted()).toEqual(rules.toSorted());
  });

  it('leave a plan that still has kernels for every op when all are taken out', () => {
    const count = (plan: ModelPlan) => reportDecode(plan, 128).dispatches.length;
    const [fused, unfused] = [plans([]), plans(rules)];
    unfused.forEach((plan, i) => expect(count(plan)).toBeGreaterThan(1.5 * count(fused[i] as ModelPlan)));
  });
});

describe.each(PROFILE_NAMES)('decode on %s', (name) => {
  const profile = PROFILES[name];

  it.each([
    ['llama-3.2-1b', 'q8_0'], ['llama-3.2-3b', 'q4_0'], ['qwen3-0.6b', 'q4_0'], ['qwen3-0.6b', 'f16'], ['qwen3-4b', 'q4_k_m'],
    ['qwen2.5-1.5b', 'q4_0'], ['smollm3-3b', 'q4_0'], ['phi-4-mini', 'q4_0'], ['lfm2.5-1.2b', 'q4_0'],
  ] as const)('takes at most 6 dispatches a layer of %s in %s', (model, type) => {
    const plan = planOfShape({ model, type, profile });
    for (const keys of [1, 128, 4096]) {
      const { dispatches } = reportDecode(plan, keys);
      const perLayer = [0, 1].map((layer) => dispatches.filter(({ step }) => step.startsWith(`layers.${layer}.`)).length);
      expect(Math.max(...perLayer), `${keys} keys: ${dispatches.map(({ step }) => step).join(', ')}`).toBeLessThanOrEqual(6);
      // Embedding, final norm where it stands alone, head, two of greedy sampling; a head of Q6_K has more pieces than 8 buffers take.
      expect(dispatches.length - perLayer[0] - perLayer[1]).toBeLessThanOrEqual(type === 'q4_k_m' ? 7 : 6);
    }
  });

  it('takes no more of a layer that does not rotate than of one that does (SmolLM3)', () => {
    const { dispatches } = reportDecode(planOfShape({ model: 'smollm3-3b', type: 'q4_0', profile, config: { layers: 4 } }), 128);
    const [rotating, plain] = [2, 3].map((layer) => dispatches.filter(({ step }) => step.startsWith(`layers.${layer}.`)).length);
    expect(plain).toBe(rotating);
  });
});

/** Most dispatches of a layer, with keys whole; keys that are split take one more. */
const LAYER_DISPATCHES: Readonly<Record<string, number>> = { gemma3: 7, gemma4: 9, olmo3: 8, lfm2: 5, qwen35: 6 };

describe.each(PROFILE_NAMES)('decode on %s', (name) => {
  it.each(Object.keys(FAMILY_GRAPHS))('takes at most so many dispatches for each layer of %s', (family) => {
    const plan = planOfGraph({ graph: FAMILY_GRAPHS[family] as ModelGraphs, type: 'q4_0', profile: PROFILES[name] });
    for (const keys of [1, 128, 4096]) {
      const { dispatches } = reportDecode(plan, keys);
      const layerOf = ({ step }: { readonly step: string }) => /^layers\.(\d+)\./.exec(step)?.[1];
      const layers = new Set(dispatches.map(layerOf).filter((layer) => layer !== undefined));
      for (const layer of layers) {
        const own = dispatches.filter((dispatch) => layerOf(dispatch) === layer);
        const isSplit = own.some(({ kernel }) => kernel.label.startsWith('attention-combine'));
        // Layers of Qwen3.5 with the delta rule take one more than those with attention.
        const most = (LAYER_DISPATCHES[family] as number) + (isSplit && family !== 'qwen35' ? 1 : 0);
        expect(own.length, `${keys} keys: ${own.map(({ step }) => step).join(', ')}`).toBeLessThanOrEqual(most);
      }
    }
  });
});

describe.each(PROFILE_NAMES)('experts on %s', (name) => {
  it('take at most 4 dispatches of a layer', () => {
    for (const [type, graph] of [['q4_0', EXPERT_LAYER], ['q4_0', SHARED_EXPERT], ['f16', FEWER_EXPERTS]] as const) {
      const plan = planOfGraph({ graph, type, typeOf: expertTypes(type), profile: PROFILES[name] });
      const steps = reportDecode(plan, 128).dispatches.map(({ step }) => step);
      expect(steps.slice(steps.indexOf('layers.0.o') + 1, steps.indexOf('output')).filter((step) => step !== 'norm'), type).toEqual(
        ['router', 'route', 'act', 'down'].map((step) => `layers.0.${step}`),
      );
    }
  });
});

describe.each(['nvidia', 'apple-m4', 'software'] as const)('mixtures of published sizes on %s', (name) => {
  it.each(['qwen3-30b-a3b', 'gpt-oss-20b', 'qwen3.5-35b-a3b'] as const)('%s takes 4 dispatches for the experts of a layer', (model) => {
    const { dispatches } = reportDecode(planOfShape({ model, type: 'q4_0', profile: PROFILES[name] }), 128);
    const own = dispatches.map(({ step }) => step).filter((step) => step.startsWith('layers.1.moe.'));
    expect(own).toEqual(['router', 'route', 'act', 'down'].map((step) => `layers.1.moe.${step}`));
  });
});

it("Gemma 4 E2B's embeddings of layers are larger than a binding in q8_0, and are read from two buffers in one dispatch", () => {
  const plan = planOfGraph({ graph: gemma4Shape(E2B_LAYERS), type: 'q8_0', profile: PROFILES.nvidia });
  const table = [...plan.weights.matrices.values()].filter(({ weights }) => weights.some(({ id }) => id === 'per_layer.embedding'));
  expect(table.map(({ rows }) => rows)).toHaveLength(2);
  expect(table.reduce((sum, { rows }) => sum + rows, 0)).toBe(262_144);
  const { dispatches } = reportDecode(plan, 128);
  expect(dispatches.filter(({ step }) => step === 'per_layer.embed').map(({ kernel }) => kernel.label)).toEqual([
    'embed q8_0 [262144, 8960] in 2',
  ]);
});

describe('the figures of a plan', () => {
  const plan = planOfShape({ model: 'qwen3-4b', type: 'q4_0', profile: PROFILES.nvidia });
  const graph = plan.decoder!.graph;
  const matrices = graph.weights
    .filter(({ shape }) => shape.length === 2)
    .reduce((sum, { shape }) => sum + (shape[0] as number) * (shape[1] as number), 0);
  const keyValues = (keys: number) =>
    keys * pagedStates(graph.states).reduce((sum, { heads, keyDim, valueDim }) => sum + heads * (keyDim + valueDim), 0);

  it('hold every matrix once and the cache as long as it is', () => {
    const [short, long] = [reportDecode(plan, 128), reportDecode(plan, 4096)];
    expect(short.multiplyAdds).toBeGreaterThan(matrices);
    expect(short.multiplyAdds).toBeLessThan(1.02 * matrices);
    // 4.5 bits a weight.
    expect(short.bytes).toBeGreaterThan((matrices * 4.5) / 8);
    expect(short.bytes).toBeLessThan(1.02 * (matrices * 4.5) / 8);
    expect(long.bytes - short.bytes).toBe(2 * keyValues(4096 - 128));
    // Each of four query heads multiplies each key and each value.
    expect(long.multiplyAdds - short.multiplyAdds).toBe(4 * keyValues(4096 - 128));
  });

  it('of a prefill chunk grow with its rows, the head left out but for one', () => {
    const { vocab, head } = { vocab: plan.decoder!.sampler.vocab, head: plan.decoder!.sampler.vocab * 2560 };
    expect(vocab).toBe(151_936);
    const { multiplyAdds } = reportPrefill(plan, 512);
    const products = 512 * (matrices - head) + head;
    expect(multiplyAdds).toBeGreaterThan(products);
    expect(multiplyAdds).toBeLessThan(1.05 * products);
  });

  it('are the sums of their lines', () => {
    const { dispatches, bytes, multiplyAdds, title } = reportDecode(plan, 300);
    expect(bytes).toBe(dispatches.reduce((sum, each) => sum + each.bytes, 0));
    expect(multiplyAdds).toBe(dispatches.reduce((sum, each) => sum + each.multiplyAdds, 0));
    expect(printReport({ dispatches, bytes, multiplyAdds, title }).split('\n')).toHaveLength(dispatches.length + 1);
  });
});
