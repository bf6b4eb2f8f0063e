import { describe, expect, test } from 'vitest';
import { syntheticGraph, TINY } from '../../test/synthetic-graph.ts';
import type { SyntheticShape } from '../../test/synthetic-graph.ts';
import { printPlan } from '../graph/plan.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { describeOp } from './ops/index.ts';
import { planForCpu } from './lower.ts';
import type { LowerOptions } from './lower.ts';

function plan(shape: Partial<SyntheticShape>, options: LowerOptions & { taps?: never; tapNames?: string[] }): string {
  const graph = syntheticGraph({ ...TINY, layers: 1, ...shape });
  const typeOf = (id: string) => (id.includes('norm') ? 'f32' : options.typeOf(id));
  const taps = (options.tapNames ?? []).map((name) => graph.taps.get(name) as NonNullable<ReturnType<typeof graph.taps.get>>);
  return printPlan(graph.name, planForCpu(graph, { ...options, typeOf, taps }), (op) => describeOp(op, typeOf));
}

const Q4_K_M = (id: string): WeightType => (id.endsWith('.v') || id.endsWith('.down') || id === 'output' ? 'q6_k' : 'q4_k');

describe('plans, as reviewers read them', () => {
  test("llama's layer, all f32: float activations throughout", () => {
    expect(plan({}, { typeOf: () => 'f32' })).toMatchSnapshot();
  });

  test("llama's layer, q4_k with q6_k", () => {
    expect(plan({}, { typeOf: Q4_K_M })).toMatchSnapshot();
  });

  test("qwen3's layer, q4_0", () => {
    expect(plan({ qkNorm: true }, { typeOf: () => 'q4_0' })).toMatchSnapshot();
  });

  test("qwen3's layer, q4_0, with all hidden states kept", () => {
    expect(plan({ qkNorm: true }, { typeOf: () => 'q4_0', tapNames: ['hidden.0', 'hidden.1'] })).toMatchSnapshot();
  });

  test('a file of floats and blocks: both forms of one value', () => {
    expect(plan({}, { typeOf: (id) => (id.endsWith('.k') ? 'f16' : 'q8_0') })).toMatchSnapshot();
  });

  test('nothing fused', () => {
    expect(plan({ qkNorm: true }, { typeOf: () => 'q4_0', rules: [] })).toMatchSnapshot();
  });
});

test('a tap that is asked for outlives the run, whatever is fused around it', () => {
  const graph = syntheticGraph(TINY);
  const taps = [...graph.taps.values()];
  const { steps, slotOf } = planForCpu(graph, { typeOf: () => 'q8_0', taps });
  const owners = taps.map((tap) => slotOf.get(tap.id)?.index);
  expect(new Set(owners).size).toBe(taps.length);
  for (const [i, tap] of taps.entries()) {
    const made = steps.findIndex((step) => step.outputs.some(({ id }) => id === tap.id));
    expect(made).toBeGreaterThanOrEqual(0);
    const later = steps.slice(made + 1).flatMap((step) => step.outputs.map(({ id }) => slotOf.get(id)?.index));
    expect(later).not.toContain(owners[i]);
  }
});

test('a linear whose product something else reads keeps its own step', () => {
  const kept = planForCpu(syntheticGraph({ ...TINY, layers: 1 }), { typeOf: () => 'f32' }).steps.length;
  const graph = syntheticGraph({ ...TINY, layers: 1 });
  const product = graph.nodes.find(({ label }) => label === 'layers.0.o')?.outputs[0];
  const more = planForCpu(graph, { typeOf: () => 'f32', taps: product ? [product] : [] }).steps.length;
  expect(more).toBe(kept + 1);
});
