import { expect, test } from 'vitest';
import { expectClose } from '../../../test/relative-error.ts';
import { syntheticRequest } from '../../../test/synthetic-graph.ts';
import { decoderSteps } from '../../graph/decoder-steps.ts';
import { buildGraph } from '../../graph/graph-builder.ts';
import type { Graph } from '../../graph/graph.ts';
import { multiply } from '../../graph/ops/activation.ts';
import { columns } from '../../graph/ops/columns.ts';
import { embed } from '../../graph/ops/embed.ts';
import { gatherRows } from '../../graph/ops/gather-rows.ts';
import { shortConvolution } from '../../graph/ops/short-convolution.ts';
import { openExecutor } from '../../node/load-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';

interface Shape {
  readonly channels: number;
  readonly width: number;
  readonly bias: boolean;
  readonly gated: boolean;
}

function graphOf({ channels, width, bias, gated }: Shape): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const x = embed(g, 'embed', tokens, g.weight('embedding', [50, 3 * channels]), 30);
    const part = (i: number) => columns(g, `part.${i}`, x, { start: i * channels, width: channels });
    const fields = {
      weight: g.weight('conv', [channels, width]), bias: bias ? g.weight('conv.bias', [channels]) : undefined,
      state: g.slotState({ shape: [width - 1, channels], dtype: 'f32' }),
    };
    const mixed = shortConvolution(g, 'mixed', gated ? multiply(g, 'inner', part(2), part(0)) : part(1), fields);
    g.output('logits', gatherRows(g, 'logits', gated ? multiply(g, 'outer', part(1), mixed) : mixed, outIndices));
  });
}

/** One after another, two at a time, one of which leaves its state where it was. */
const STEPS = [
  [{ start: 0, length: 7, slots: { read: 0, write: 1 } }],
  [{ start: 7, length: 1, slots: { read: 1, write: 1 } }, { start: 0, length: 2, slots: { read: 0, write: 2 } }],
  [{ start: 2, length: 3, slots: { read: 2, write: 3 } }, { start: 8, length: 1, slots: { read: 1, write: 4 } }],
] as const;

const CASES: readonly Shape[] = [1, 6, 70, 130].flatMap((channels) =>
  [2, 3, 5].flatMap((width) => [false, true].map((gated) => ({ channels, width, gated, bias: width === 3 }))));

test.each(CASES)('%j', async (shape) => {
  const request = syntheticRequest({ graph: graphOf(shape), typeOf: () => 'f32' });
  const executors = [createReferenceExecutor({}), await openExecutor({ device: 'cpu', threads: 2 })];
  const programs = await Promise.all(executors.map((executor) => executor.load(request)));
  for (const program of programs) program.ensureSlots(5);
  for (const step of STEPS) {
    const sequences = step.map(({ start, length, slots }) => ({
      tokens: Array.from({ length }, (_, i) => (7 * (start + i) + 3) % 50), start, pages: [], slots, outputs: [length - 1],
    }));
    const [wanted, found] = await Promise.all(programs.map((program) => decoderSteps(program).run({ sequences })));
    expect(wanted?.logits.some((value) => value !== 0)).toBe(true);
    expectClose('rows', { wanted: wanted!.logits, found: found!.logits }, 1e-6);
  }
  await Promise.all(programs.map((program) => program.dispose()));
});
