/** What plans need of a device, over every kernel that they may run, on every profile and on what WebGPU promises at least. */
import { describe, expect, it } from 'vitest';
import { syntheticGraph, TINY } from '../../../test/synthetic-graph.ts';
import type { SyntheticShape } from '../../../test/synthetic-graph.ts';
import { FAMILIES, familyGraph, tinyFamily } from '../../../test/family-graphs.ts';
import type { FamilyName } from '../../../test/family-graphs.ts';
import type { KvType } from '../../graph/kv-types.ts';
import { buildGraph } from '../../graph/graph-builder.ts';
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import type { Graph } from '../../graph/graph.ts';
import { DECODER, modelOfDecoder } from '../../graph/model-graphs.ts';
import { activation, gated } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { embed } from '../../graph/ops/embed.ts';
import { gatherRows } from '../../graph/ops/gather-rows.ts';
import { linear } from '../../graph/ops/linear.ts';
import { rmsNorm } from '../../graph/ops/rms-norm.ts';
import type { Value } from '../../graph/value.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { representativeTypes } from '../packed-forms.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { withLimits } from '../profile/profile-for.ts';
import { PROFILES } from '../profile/profiles.ts';
import { beyondLimits } from '../kernel.ts';
import { kernelsOfModel, planModel } from './model-plan.ts';
import type { ModelPlan } from './model-plan.ts';

/** The least limits that a device may have. */
const LEAST = { storageBuffers: 8, workgroupBytes: 16384, invocations: 256, bindingBytes: 2 ** 27, bufferBytes: 2 ** 28 };

/** Profiles that choose differently (the others are like one of them), as they are and, but for two alike, with the least limits. */
const DEVICES: readonly (readonly [name: string, profile: DeviceProfile])[] = [
  ...(['apple-m1', 'apple-m4', 'nvidia', 'amd', 'software', 'generic'] as const).map((name) => [name, PROFILES[name]] as const),
  ...(['apple-m4', 'nvidia', 'software', 'generic'] as const)
    .map((name) => [`${name} with the least limits`, withLimits(PROFILES[name], LEAST)] as const),
];

interface Types {
  readonly typeOf: TypeOf;
  readonly kv?: KvType;
}

function planOf(graph: Graph, profile: DeviceProfile, { typeOf, kv = 'f16' }: Types): ModelPlan {
  const layout = { type: kv, pageTokens: 64, maxPages: 64 } as const;
  return planModel({ model: modelOfDecoder(graph), typeOf, profile, kv: layout, sizes: { rows: 64 } });
}

/** Kernels beyond the device, in words. */
const problemsOf = (plan: ModelPlan) =>
  kernelsOfModel(plan).flatMap((kernel) => beyondLimits(kernel, plan.options.profile).map((problem) => `${kernel.label} ${problem}`));

const DIM = 256;

interface Block {
  readonly norm: boolean;
  readonly gate: boolean;
  readonly bias: boolean;
  readonly residual: boolean;
}

const BLOCKS: readonly Block[] = [false, true].flatMap((norm) =>
  [false, true].flatMap((gate) => [false, true].flatMap((bias) => [false, true].map((residual) => ({ norm, gate, bias, residual })))),
);

/** A block of products; every next one reads what the one before made, through a norm or as it is: rounded, on int8 devices. */
function block(g: GraphBuilder, x: Value, { norm, gate, bias, residual }: Block): Value {
  const product = (name: string, from: Value) =>
    linear(g, name, from, g.weight(g.path(name), [DIM, DIM]), bias ? g.weight(g.path(`${name}.bias`), [DIM]) : undefined);
  const from = norm ? rmsNorm(g, 'norm', x, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 }) : x;
  const y = gate
    ? gated(g, 'act', 'silu', [product('gate', from), product('up', from)])
    : activation(g, 'act', 'silu', product('in', from));
  const out = product('out', y);
  return residual ? add(g, 'add', x, out) : out;
}

const PRODUCTS: Graph = buildGraph(DECODER.graph, (g) => {
  const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  let x = embed(g, 'embed', tokens, g.weight('embedding', [50, DIM]));
  BLOCKS.forEach((each, n) => (x = g.scope(`${n}`, () => block(g, x, each))));
  g.output(DECODER.logits, linear(g, 'output', gatherRows(g, 'last', x, outIndices), g.weight('output', [50, DIM])));
});

const LAYERS: SyntheticShape = { ...TINY, dim: DIM, ffnDim: 512, headDim: 64, qkNorm: true, bias: true };
/** A different type for each of the products that read one value. */
const MIXED: Readonly<Record<string, WeightType>> = { q: 'q4_k', k: 'q4_0', v: 'q6_k', gate: 'q6_k', up: 'q6_k' };

const FAMILY_NAMES = Object.keys(FAMILIES) as readonly FamilyName[];

describe.each(DEVICES)('plans for %s stay within its limits', (_, profile) => {
  it.each(representativeTypes())('products with every epilogue and layers of %s', (type) => {
    expect(problemsOf(planOf(PRODUCTS, profile, { typeOf: () => type }))).toEqual([]);
    expect(problemsOf(planOf(syntheticGraph(LAYERS), profile, { typeOf: () => type }))).toEqual([]);
  });

  it.each(FAMILY_NAMES)('layers as %s has them, q, k and v of three types', (family) => {
    const own = family === 'gemma4' ? { perLayer: DIM } : {};
    const graph = familyGraph({ ...tinyFamily(family), dim: DIM, heads: 4, headDim: 64, ffnDim: 512, ...own });
    const typeOf = (id: string) => MIXED[id.split('.').at(-1) as string] ?? 'q6_k';
    expect(problemsOf(planOf(graph, profile, { typeOf }))).toEqual([]);
    expect(problemsOf(planOf(graph, profile, { typeOf: () => 'q4_k' }))).toEqual([]);
  });

  it('q, k and v of three types', () => {
    const typeOf = (id: string) => MIXED[id.split('.').at(-1) as string] ?? 'q6_k';
    expect(problemsOf(planOf(syntheticGraph(LAYERS), profile, { typeOf }))).toEqual([]);
  });

  it.each([32, 64, 80, 96, 112, 128, 192, 256, 512])('heads of %i', (headDim) => {
    for (const kv of ['f16', 'f32'] as const) {
      const graph = syntheticGraph({ ...LAYERS, headDim, layers: 1 });
      expect(problemsOf(planOf(graph, profile, { typeOf: () => 'q4_0', kv }))).toEqual([]);
    }
  });

  it.each([
    [[256, 256], [512, 512]],
    [[192, 128], [64, 64]],
  ] as const)('heads of %j and %j in one graph', (...headDims) => {
    for (const kv of ['f16', 'f32'] as const) {
      expect(problemsOf(planOf(syntheticGraph({ ...LAYERS, headDims }), profile, { typeOf: () => 'q4_0', kv }))).toEqual([]);
    }
  });
});

describe('a plan over the limits is cut', () => {
  const tenBuffers = { ...PROFILES.nvidia, storageBuffers: 10 };
  const stepsOf = (plan: ModelPlan, wanted: RegExp) =>
    plan.decoder!.one.plan.steps.filter(({ label }) => wanted.test(label)).map(({ op }) => op.kind);

  it('at the rounding of a q6_k product with a residual', () => {
    const shape = { ...LAYERS, bias: false };
    const typeOf = () => 'q6_k' as const;
    const whole = planOf(syntheticGraph(shape), PROFILES.nvidia, { typeOf });
    const cut = planOf(syntheticGraph(shape), tenBuffers, { typeOf });
    expect(stepsOf(whole, /layers.0.(o|ffn_norm.*)$/)).toEqual(['linear']);
    expect(stepsOf(cut, /layers.0.(o|ffn_norm.*)$/)).toEqual(['linear', 'quantize']);
    expect([whole, cut].map(({ decoder }) => decoder!.one.plan.fused.get('cut-to-limits'))).toEqual([undefined, expect.any(Number)]);
  });

  it('at a sum that q, k and v make together and a later block reads: made once, before all three', () => {
    const graph = familyGraph({ ...tinyFamily('gemma3'), dim: DIM });
    const least = withLimits(PROFILES.generic, LEAST);
    const sumsOf = (profile: DeviceProfile) => planOf(graph, profile, { typeOf: () => 'f16' }).decoder!.one.plan.steps
      .flatMap(({ op, outputs }) => (op.kind === 'linear' && op.sum?.isKept && op.parts.length > 2 ? outputs.slice(-1) : []));
    const [sum] = sumsOf({ ...least, storageBuffers: 10 });
    const { steps } = planOf(graph, least, { typeOf: () => 'f16' }).decoder!.one.plan;
    expect(sumsOf(least)).toEqual([]);
    expect(steps.filter(({ outputs }) => outputs.some(({ id }) => id === sum!.id)).map(({ op }) => op.kind)).toEqual(['addNorm']);
    const readers = steps.filter(({ inputs }) => inputs.some(({ id }) => id === sum!.id)).map(({ label }) => label);
    expect(readers).toEqual(['layers.1.q', 'layers.1.k', 'layers.1.v', 'layers.1.act']);
  });

  it('and what has no smaller form is refused by name', () => {
    expect(() => planOf(syntheticGraph(LAYERS), { ...PROFILES.nvidia, storageBuffers: 5 }, { typeOf: () => 'q6_k' })).toThrow(
      /The GPU cannot run \S+: .* binds \d+ storage buffers of 5 that the device \(profile nvidia\) has/,
    );
    expect(() => planOf(syntheticGraph({ ...LAYERS, headDim: 4096 }), PROFILES.software, { typeOf: () => 'q4_0' })).toThrow(
      /attention has no form for the heads of layers.0.attend \(4096 values, f16\)/,
    );
  });
});
