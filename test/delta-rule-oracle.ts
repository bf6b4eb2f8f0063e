/** The gated delta rule on an executor, beside what transformers makes of the same rows (`scripts/fixtures/delta_rule.py`). */
import { expect } from 'vitest';
import { decoderSteps } from '../src/graph/decoder-steps.ts';
import type { Executor, Program } from '../src/graph/executor.ts';
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { deltaRule } from '../src/graph/ops/delta-rule.ts';
import type { DeltaRuleFields } from '../src/graph/ops/delta-rule.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { f32Of, fixturesPath, readFixtureTensors } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';
import { sourceOfBytes, syntheticRequest } from './synthetic-graph.ts';

export type DeltaRuleShape = Pick<DeltaRuleFields, 'keyHeads' | 'valueHeads' | 'keyDim' | 'valueDim' | 'keyHeadMap'>;

interface Case extends DeltaRuleShape {
  readonly rows: number;
}

export const DELTA_RULE_CASES = {
  grouped: { rows: 150, keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'grouped' },
  tiled: { rows: 9, keyHeads: 2, valueHeads: 6, keyDim: 10, valueDim: 7, keyHeadMap: 'tiled' },
} as const satisfies Readonly<Record<string, Case>>;
export type DeltaRuleCase = keyof typeof DELTA_RULE_CASES;

/** Token n stands for row n of the tables `qkv`, `a` and `b`; the logits are y. */
export function deltaRuleGraph(shape: DeltaRuleShape, tokens: number): Graph {
  const { keyHeads, valueHeads, keyDim, valueDim } = shape;
  return buildGraph('decoder', (g) => {
    const ids = g.input('tokens', 'i32', ['rows']);
    g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const row = (name: string, width: number) => embed(g, name, ids, g.weight(name, [tokens, width]));
    const inputs = [row('qkv', 2 * keyHeads * keyDim + valueHeads * valueDim), row('a', valueHeads), row('b', valueHeads)] as const;
    const y = deltaRule(g, 'rule', inputs, {
      ...shape,
      decay: g.weight('decay', [valueHeads]),
      dtBias: g.weight('dtBias', [valueHeads]),
      state: g.slotState({ shape: [valueHeads, valueDim, keyDim], dtype: 'f32' }),
    });
    g.output('logits', gatherRows(g, 'last', y, outIndices));
  });
}

/** The steps in which the rows come: whole, one by one, in pieces. */
const CUTS: readonly (readonly number[])[] = [[], [1, 2, 3], [1, 70, 71, 139]];

async function yOf(program: Program, rows: number, cuts: readonly number[]): Promise<Float32Array> {
  const y: number[] = [];
  let slot = 0;
  const ends = [...cuts.filter((cut) => cut < rows), rows];
  for (const [i, end] of ends.entries()) {
    const start = ends[i - 1] ?? 0;
    const tokens = Array.from({ length: end - start }, (_, row) => start + row);
    // One row may write where it reads.
    const write = slot > 0 && tokens.length === 1 ? slot : (slot % 2) + 1;
    const step = { tokens, start, pages: [], slots: { read: slot, write }, outputs: tokens.map((_, row) => row) };
    y.push(...(await decoderSteps(program).run({ sequences: [step] })).logits);
    slot = write;
  }
  return Float32Array.from(y);
}

/** y of every cut is transformers'; a wrong state shows in the y of the next step. */
export async function checkDeltaRule(executor: Executor, name: DeltaRuleCase, tolerance: number): Promise<void> {
  const { rows, ...shape } = DELTA_RULE_CASES[name];
  const tensors = readFixtureTensors(`${fixturesPath}delta-rule/${name}.safetensors`);
  const request = syntheticRequest({ graph: deltaRuleGraph(shape, rows), typeOf: () => 'f32', maxRows: rows });
  const weights = new Map(request.model.weights.map((weight) => {
    const { bytes, shape: found } = tensors.get(weight.id)!;
    expect(found).toEqual(weight.shape);
    return [weight.id, sourceOfBytes(weight.id, { type: 'f32' as const, shape: weight.shape, bytes })];
  }));
  const program = await executor.load({ ...request, weights });
  try {
    program.ensureSlots(3);
    const wanted = f32Of(tensors, 'y');
    for (const cuts of CUTS) expectClose(`cut at ${cuts.join()}`, { wanted, found: await yOf(program, rows, cuts) }, tolerance);
  } finally {
    await program.dispose();
  }
}
