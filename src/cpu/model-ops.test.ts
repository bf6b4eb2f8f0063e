/** Ops beyond a plain block's, and the layers that families make of them, give what the reference gives. */
import { describe, expect, test } from 'vitest';
import { DELTA_NET_GRAPH } from '../../test/delta-net-graph.ts';
import { familyGraph, FAMILIES, tinyFamily } from '../../test/family-graphs.ts';
import type { FamilyName } from '../../test/family-graphs.ts';
import { attentionGraph } from '../../test/gpu/attention-graph.ts';
import { MODEL_OP_GRAPHS } from '../../test/gpu/model-op-graphs.ts';
import { expectClose } from '../../test/relative-error.ts';
import { ensureAllPages, inEveryGroup } from '../../test/state-places.ts';
import { syntheticRequest } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { Graph } from '../graph/graph.ts';
import { printPlan } from '../graph/plan.ts';
import { slotStates } from '../graph/state.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { createCpuExecutor } from './cpu-executor.ts';
import { planForCpu } from './lower.ts';
import { describeOp } from './ops/index.ts';
import { CPU_RULES } from './rules.ts';

const reference = createReferenceExecutor({ activationRounding: 'int8' });

interface Way {
  readonly threads: number;
  readonly type: WeightType;
  /** Of gains, biases and factors. */
  readonly vectorType: WeightType;
  readonly rules?: typeof CPU_RULES;
}

/** Every fusion and none; weights of floats and of blocks. */
const WAYS: readonly Way[] = [
  { threads: 1, type: 'f32', vectorType: 'f32' },
  { threads: 3, type: 'f16', vectorType: 'bf16' },
  { threads: 3, type: 'q8_0', vectorType: 'f32' },
  { threads: 1, type: 'q8_0', vectorType: 'f16', rules: [] },
];

/** Rows of a sequence with outputs, first and after others; slot 0 is before the step and slot 1 after. */
function step(start: number, length: number, outputs: readonly number[]) {
  const tokens = Array.from({ length }, (_, i) => (7 * (start + i) + 3) % 50);
  return { tokens, start, pages: inEveryGroup([2, 0, 1]), outputs, slots: { read: 0, write: 1 } };
}

async function check(graph: Graph, { threads, type, vectorType, rules = CPU_RULES }: Way): Promise<void> {
  const request = syntheticRequest({ graph, typeOf: (id) => (/^conv(\.gated|olution)?$/.test(id) ? 'f32' : type), vectorType });
  const executor = await createCpuExecutor({ threads, rules, modules: await readKernelModules(), threadHost: createThreadHost() });
  const programs = await Promise.all([reference.load(request), executor.load(request)]);
  const [wanted, found] = programs;
  try {
    for (const program of programs) {
      ensureAllPages(program, 3);
      if (slotStates(graph.states).length > 0) program.ensureSlots(2);
    }
    for (const sequence of [step(0, 11, [0, 3, 10]), step(11, 1, [0]), step(12, 3, [1])]) {
      const want = await decoderSteps(wanted).run({ sequences: [sequence] });
      const got = await decoderSteps(found).run({ sequences: [sequence] });
      expectClose(`from ${sequence.start} on`, { wanted: want.logits, found: got.logits }, type === 'q8_0' ? 5e-3 : 3e-5);
    }
  } finally {
    await Promise.all(programs.map((program) => program.dispose()));
  }
}

const nameOf = ({ type, threads, rules }: Way) => `${type}, ${threads} thread(s)${rules ? ', nothing fused' : ''}`;

describe.each(WAYS.map((way) => [nameOf(way), way] as const))('%s', (_, way) => {
  test.each([...MODEL_OP_GRAPHS])('%s', (_name, graph) => check(graph, way));

  test.each(Object.keys(FAMILIES) as FamilyName[])('layers of %s', (name) => check(familyGraph(tinyFamily(name)), way));

  test('layers of attention', () => check(attentionGraph(LAYERS), way));

  test('a layer of the gated delta rule', () => check(DELTA_NET_GRAPH, way));
});

const small = { width: 32, rotaryDim: 32 };

/** Norms of heads with gains and without, of v's too, parts of heads that turn, shared keys. */
const LAYERS = [
  { ...small, softcap: 0.7, sinks: true, vNorm: true }, { ...small, rotaryDim: 12, ungained: true, vNorm: true, window: 5 },
  { ...small, temperature: { beta: 0.4, length: 3 }, vNorm: true, keysAsValues: true }, { width: 64, rotaryDim: 16, window: 5 },
  { ...small, owner: 0, sinks: true }, { ...small, rotaryDim: 12, owner: 1, softcap: 0.7 },
] as const;

test('what is fused, as reviewers read it', () => {
  const typeOf = (id: string): WeightType => (/norm|scale|sinks|conv|bias/.test(id) ? 'f32' : 'q4_0');
  const printed = (graph: Graph) => printPlan(graph.name, planForCpu(graph, { typeOf }), (op) => describeOp(op, typeOf));
  expect(printed(attentionGraph(LAYERS.slice(0, 3)))).toMatchSnapshot();
  expect(printed(familyGraph({ ...tinyFamily('gemma4'), layers: 1 }))).toMatchSnapshot();
  expect(printed(MODEL_OP_GRAPHS.get('a convolution between gates') as Graph)).toMatchSnapshot();
});
