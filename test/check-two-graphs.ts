/** Runs of a model of two graphs on an executor and on the reference, side by side. */
import { expect } from 'vitest';
import type { Executor, GraphRun, Program, ProgramRequest } from '../src/graph/executor.ts';
import { DECODER } from '../src/graph/model-graphs.ts';
import { createReferenceExecutor } from '../src/reference/reference-executor.ts';
import { syntheticRequest } from './synthetic-graph.ts';
import { TWO_GRAPHS, twoGraphModel } from './two-graph-model.ts';
import { expectClose } from './relative-error.ts';

/** The request of the model with random weights. */
export function twoGraphRequest(): ProgramRequest {
  return { ...syntheticRequest({ graph: twoGraphModel(), typeOf: () => 'f32' }), sizes: { rows: 16, frames: 40 } };
}

/** Features of `frames` frames through the encoder. */
export function encoderRun(frames: number, seed: number, wanted: readonly string[] = []): GraphRun {
  const features = Array.from({ length: frames * TWO_GRAPHS.features }, (_, i) => Math.sin(i * 1.7 + seed) * 2);
  const half = Array.from({ length: frames / 2 }, (_, i) => i);
  return {
    graph: 'encoder',
    dims: { frames },
    inputs: { features, even: half.map((i) => 2 * i), odd: half.map((i) => 2 * i + 1) },
    wanted,
  };
}

/** New tokens of one sequence over what the encoder makes in the same list, or over rows that the host has. */
export function decoderRun(
  count: number,
  place: { readonly start: number; readonly frames: number; readonly memory?: ArrayLike<number>; readonly wanted?: readonly string[] },
): GraphRun {
  const { start, frames, memory = { graph: 'encoder', output: 'encoded' }, wanted = [DECODER.logits] } = place;
  const rows = Array.from({ length: count }, (_, i) => i);
  return {
    graph: DECODER.graph,
    dims: { rows: count, outRows: 1, halfFrames: frames / 2 },
    inputs: {
      [DECODER.tokens]: rows.map((i) => (7 * (start + i) + 3) % TWO_GRAPHS.vocab),
      [DECODER.positions]: rows.map((i) => start + i),
      [DECODER.outIndices]: [count - 1],
      memory,
    },
    sequences: [{ rows: count, start, pages: [[2, 0, 1]] }],
    wanted,
  };
}

async function compare(
  { wanted, found }: { readonly wanted: Program; readonly found: Program },
  runs: readonly GraphRun[],
  tolerance: number,
): Promise<void> {
  const [want, got] = [
    await wanted.run(runs),
    (await found.run(runs)).map((values) => new Map([...values].map(([name, numbers]) => [name, numbers.slice()]))),
  ];
  expect(got.map((values) => [...values.keys()])).toEqual(runs.map((run) => [...run.wanted]));
  want.forEach((values, i) => {
    for (const [name, numbers] of values) {
      const own = got[i]?.get(name) as Float32Array;
      expectClose(`run ${i} ${name}`, { wanted: numbers, found: own }, tolerance);
    }
  });
}

/** Everything that a list of runs may hold, on both; the program is disposed of. */
export async function checkTwoGraphs(executor: Executor, tolerance: number): Promise<void> {
  const request = twoGraphRequest();
  const [wanted, found] = [await createReferenceExecutor().load(request), await executor.load(request)];
  try {
    for (const program of [wanted, found]) program.ensurePages(0, 3);
    const both = { wanted, found };
    const early = found.run([decoderRun(2, { start: 0, frames: 8 })]);
    await expect(early).rejects.toThrow('found no earlier run with output encoded of encoder');
    // The encoder alone, with its output at the host.
    await compare(both, [encoderRun(8, 1, ['encoded'])], tolerance);
    // Both in one list: what passes between them never comes to the host.
    await compare(both, [encoderRun(40, 2), decoderRun(9, { start: 0, frames: 40, wanted: [DECODER.logits, 'crossed'] })], tolerance);
    await compare(both, [encoderRun(40, 2), decoderRun(1, { start: 9, frames: 40 })], tolerance);
    // Rows that the host has, from a run before.
    const memory = (await wanted.run([encoderRun(12, 3, ['encoded'])]))[0]!.get('encoded') as Float32Array;
    await compare(both, [decoderRun(1, { start: 10, frames: 12, memory })], tolerance);
    // A graph twice in one list: the later one is what follows it reads.
    await compare(
      both,
      [encoderRun(6, 4, ['encoded']), encoderRun(10, 5, ['encoded']), decoderRun(3, { start: 11, frames: 10 })],
      tolerance,
    );
    // What the run of an earlier list made.
    await compare(both, [decoderRun(1, { start: 14, frames: 10 })], tolerance);
    // Sizes of another run leave nothing behind.
    await compare(both, [encoderRun(2, 6, ['encoded']), decoderRun(2, { start: 14, frames: 2 })], tolerance);
    await refusals(found);
  } finally {
    await Promise.all([wanted.dispose(), found.dispose()]);
  }
}

async function refusals(program: Program): Promise<void> {
  const bad: readonly (readonly [readonly GraphRun[], string])[] = [
    [[encoderRun(7, 1)], 'dim halfFrames: expected a whole number for sizes {"frames":7}, found 3.5'],
    [[encoderRun(42, 1)], 'run of encoder: expected a size of dim frames from 0 to 40, found 42'],
    [[decoderRun(2, { start: 0, frames: 8 })], 'expected 128 numbers of input memory [halfFrames, 32], found 32'],
    [[encoderRun(8, 1), decoderRun(2, { start: 0, frames: 12 })], 'expected 192 numbers of input memory [halfFrames, 32], found 128'],
    [[{ ...encoderRun(4, 1), inputs: { features: [1] } }], 'expected 48 numbers of input features [frames, 12], found 1'],
    [[{ ...encoderRun(4, 1), graph: 'vision' }], 'no graph vision; there are encoder, decoder'],
    [[encoderRun(4, 1, ['hidden.0'])], 'has no tap called "hidden.0"'],
    [
      [encoderRun(4, 1), { ...decoderRun(2, { start: 0, frames: 4 }), sequences: [{ rows: 1, start: 0, pages: [[0]] }] }],
      'expected sequences of 2 rows together, found 1',
    ],
    [[], 'A submit needs at least one run.'],
  ];
  for (const [runs, message] of bad) await expect(program.run(runs), message).rejects.toThrow(message);
}
