/** Mixtures of experts give what the reference gives: all ways of routing, types of weights, widths and numbers of rows. */
import { describe, expect, test } from 'vitest';
import { MIXTURE_SHAPES, mixtureGraph, rowsDecoder, SMALL_MIXTURE } from '../../test/mixture-graph.ts';
import type { MixtureShape } from '../../test/mixture-graph.ts';
import { expectClose } from '../../test/relative-error.ts';
import { syntheticRequest } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { Graph } from '../graph/graph.ts';
import { add } from '../graph/ops/add.ts';
import { expertLinear } from '../graph/ops/expert-linear.ts';
import { expertSum } from '../graph/ops/expert-sum.ts';
import { linear } from '../graph/ops/linear.ts';
import { route } from '../graph/ops/route.ts';
import { scale } from '../graph/ops/scale.ts';
import { printPlan } from '../graph/plan.ts';
import type { Value } from '../graph/value.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { takesInt8 } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { createCpuExecutor } from './cpu-executor.ts';
import { distinctTypes } from './kernel-check.ts';
import { planForCpu } from './lower.ts';
import { describeOp } from './ops/index.ts';
import { CPU_RULES } from './rules.ts';

/** Files have routers, biases and convolutions as floats. */
const isFloat = (id: string) => /(router|conv|bias|factors|norm)$/.test(id);

interface Way {
  readonly typeOf: (id: string) => WeightType;
  readonly vectorType?: WeightType;
  readonly threads?: number;
  readonly rules?: typeof CPU_RULES;
  /** Rows of the steps. */
  readonly lengths?: readonly number[];
}

async function open(graph: Graph, { typeOf, vectorType = 'f32', threads = 3, rules = CPU_RULES, lengths = [11, 1, 3, 8] }: Way) {
  const request = syntheticRequest({ graph, typeOf, vectorType, maxRows: Math.max(...lengths) });
  const executor = await createCpuExecutor({ threads, rules, modules: await readKernelModules(), threadHost: createThreadHost() });
  const reference = createReferenceExecutor({ activationRounding: 'int8' });
  const [wanted, found] = await Promise.all([reference.load(request), executor.load(request)]);
  for (const program of [wanted, found]) program.ensureSlots(2);
  return { wanted, found };
}

function stepOf(length: number, seed: number) {
  const tokens = Array.from({ length }, (_, i) => (7 * i + 3 * seed + (i >> 3)) % 50);
  return { tokens, start: 0, pages: [], outputs: [...new Set([0, length >> 1, length - 1])], slots: { read: 0, write: 1 } };
}

async function check(graph: Graph, way: Way): Promise<void> {
  const { wanted, found } = await open(graph, way);
  try {
    for (const [seed, length] of (way.lengths ?? [11, 1, 3, 8]).entries()) {
      const sequences = [stepOf(length, seed)];
      const want = await decoderSteps(wanted).run({ sequences });
      const got = await decoderSteps(found).run({ sequences });
      expectClose(`${length} rows`, { wanted: want.logits, found: got.logits }, takesInt8(way.typeOf('down')) ? 5e-3 : 3e-5);
    }
  } finally {
    await Promise.all([wanted.dispose(), found.dispose()]);
  }
}

const filesTypes = (type: WeightType) => (id: string) => (isFloat(id) ? 'f32' : type);

describe.each(Object.entries(MIXTURE_SHAPES))('%s', (_, shape) => {
  test.each([['f32', 'fused'], ['q8_0', 'fused'], ['f32', 'nothing fused'], ['q4_0', 'nothing fused']] as const)('%s, %s', (type, how) =>
    check(mixtureGraph(shape), { typeOf: filesTypes(type), rules: how === 'fused' ? CPU_RULES : [] }));
});

describe('weights', () => {
  const blocks = { ...SMALL_MIXTURE, dim: 256, ffnDim: 256, isGptOss: true };
  const checkType = (type: WeightType) => check(mixtureGraph(blocks), { typeOf: filesTypes(type) });
  const COMMON: readonly WeightType[] = ['bf16', 'q8_0', 'q4_0', 'q4_k', 'mxfp4'];
  test.each(COMMON)('of %s', checkType);
  test.each(distinctTypes().filter((type) => !COMMON.includes(type)))('of a rarer type, %s', { tags: 'slow' }, checkType);

  test('of different types, biases of halves', () => {
    const types: Record<string, WeightType> = { gate: 'q8_0', up: 'f16', down: 'q4_0' };
    return check(mixtureGraph(blocks), { typeOf: (id) => types[id] ?? (id.endsWith('bias') ? 'bf16' : 'f32'), vectorType: 'f16' });
  });

  test('of odd widths', () => {
    const odd = { ...SMALL_MIXTURE, dim: 37, ffnDim: 53, experts: 5, isGptOss: true };
    return check(mixtureGraph(odd), { typeOf: () => 'f32' });
  });
});

test.each([
  [1, { ...SMALL_MIXTURE, shared: true }], [2, { ...SMALL_MIXTURE, experts: 70 }], [7, { ...SMALL_MIXTURE, experts: 3 }],
] as const)('more rows of an expert than a tile has, on %i thread(s)', async (threads, shape) => {
  for (const type of ['f32', 'q8_0', 'q4_0'] as const)
    await check(mixtureGraph({ ...shape, ffnDim: 288 }), { typeOf: filesTypes(type), threads, lengths: [200, 65, 64, 1] });
});

test('products of vectors of their own without a sum, and sums of what is no product', () =>
  check(
    rowsDecoder((g, x) => {
      const routes = route(g, 'route', linear(g, 'router', x, g.weight('router', [5, 64])), { used: 2, scores: 'softmax' });
      const wide = expertLinear(g, 'wide', [x, routes], { weight: g.weight('wide', [5, 64, 64]), each: false });
      const own = expertLinear(g, 'own', [wide, routes], { weight: g.weight('own', [5, 64, 64]), each: true });
      return add(g, 'both', expertSum(g, 'first', wide, routes), expertSum(g, 'second', own, routes));
    }, 64),
    { typeOf: filesTypes('q8_0') },
  ));

test('of equal scores the first expert is chosen', async () => {
  const equal = (g: GraphBuilder, logits: Value) => scale(g, 'none', logits, 0);
  await check(mixtureGraph({ ...SMALL_MIXTURE, logits: equal }), { typeOf: filesTypes('f32') });
  await check(mixtureGraph({ ...SMALL_MIXTURE, logits: equal, routing: { scores: 'sigmoid' } }), { typeOf: filesTypes('f32') });
});

test('a softmax tells apart by the logits what f32 rounds to one score', async () => {
  const far = (g: GraphBuilder, logits: Value) => scale(g, 'far', logits, 300);
  await check(mixtureGraph({ ...SMALL_MIXTURE, logits: far, routing: { scores: 'softmax' } }), { typeOf: filesTypes('f32') });
});

test.each(['softmax', 'sigmoid'] as const)('logits that are NaN end in NaN: %s', async (scores) => {
  const notANumber = (g: GraphBuilder, logits: Value) => {
    const infinite = scale(g, 'infinite', scale(g, 'large', logits, 3e38), 3e38);
    return add(g, 'nan', infinite, scale(g, 'minus', infinite, -1));
  };
  const graph = mixtureGraph({ ...SMALL_MIXTURE, logits: notANumber, routing: { scores } });
  const { wanted, found } = await open(graph, { typeOf: filesTypes('q8_0') });
  try {
    for (const length of [1, 9]) {
      const { logits } = await decoderSteps(found).run({ sequences: [stepOf(length, 0)] });
      expect(logits.every(Number.isNaN)).toBe(true);
    }
  } finally {
    await Promise.all([wanted.dispose(), found.dispose()]);
  }
});

test('what is fused, as reviewers read it', () => {
  const printed = (shape: MixtureShape) => {
    const graph = mixtureGraph(shape);
    const plan = printPlan('decoder', planForCpu(graph, { typeOf: filesTypes('q4_0') }), (op) => describeOp(op, filesTypes('q4_0')));
    // Without the rules that have nothing to do here.
    return plan.split('\n').filter((line) => !line.endsWith(' x0')).join('\n');
  };
  expect(printed({ ...SMALL_MIXTURE, isGptOss: true })).toMatchSnapshot();
  expect(printed({ ...SMALL_MIXTURE, shared: true })).toMatchSnapshot();
});
