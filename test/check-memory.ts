/** A memory that an encoder writes once, against the model that computes keys and values anew for every step (on the reference). */
import { expect } from 'vitest';
import type { Executor, GraphRun, Program, ProgramRequest } from '../src/graph/executor.ts';
import { DECODER } from '../src/graph/model-graphs.ts';
import { createReferenceExecutor } from '../src/reference/reference-executor.ts';
import { decoderRun, encoderRun, twoGraphRequest } from './check-two-graphs.ts';
import { memoryModel, TWO_GRAPHS } from './two-graph-model.ts';
import { expectClose } from './relative-error.ts';

/** A sequence over the memory of its own sound. Its pages are those of its own keys and values, and of the memory. */
interface Listener {
  readonly frames: number;
  readonly seed: number;
  readonly own: readonly number[];
  readonly memory: readonly number[];
}

const LISTENERS: readonly Listener[] = [
  { frames: 40, seed: 2, own: [2, 0, 1], memory: [4, 1, 3] },
  { frames: 14, seed: 7, own: [5, 3, 4], memory: [0] },
];

/** Places by group: the memory is the first state of its model. */
const pagesOf = ({ own, memory }: Listener) => [memory, own];

export function memoryRequest(): ProgramRequest {
  const base = twoGraphRequest();
  return { ...base, model: memoryModel(), kv: { ...base.kv, pageTokens: 8 } };
}

/** The encoder's run, and what it leaves behind. */
function writeRun(listener: Listener): GraphRun {
  const half = listener.frames / 2;
  const run = encoderRun(listener.frames, listener.seed);
  return {
    ...run,
    inputs: { ...run.inputs, positions: Array.from({ length: half }, (_, i) => i) },
    sequences: [{ rows: half, start: 0, pages: pagesOf(listener) }],
  };
}

interface Part {
  readonly listener: Listener;
  readonly start: number;
  readonly rows: number;
}

/** New tokens of several sequences, each over its own memory; the logits of every row. */
function readRun(parts: readonly Part[]): GraphRun {
  const rows = parts.flatMap(({ start, rows: count }) => Array.from({ length: count }, (_, i) => start + i));
  return {
    graph: DECODER.graph,
    dims: { rows: rows.length, outRows: rows.length },
    inputs: {
      [DECODER.tokens]: rows.map((position) => (7 * position + 3) % TWO_GRAPHS.vocab),
      [DECODER.positions]: rows,
      [DECODER.outIndices]: rows.map((_, i) => i),
    },
    sequences: parts.map(({ listener, start, rows: count }) => ({
      rows: count, start, pages: pagesOf(listener), memory: listener.frames / 2,
    })),
    wanted: [DECODER.logits],
  };
}

/** All rows of a sequence at once, keys and values of the memory computed on the way. */
async function recomputed(wanted: Program, { frames, seed }: Listener, rows: number): Promise<Float32Array> {
  const decoder = decoderRun(rows, { start: 0, frames });
  const all = {
    ...decoder,
    dims: { ...decoder.dims, outRows: rows },
    inputs: { ...decoder.inputs, [DECODER.outIndices]: Array.from({ length: rows }, (_, i) => i) },
  };
  return (await wanted.run([encoderRun(frames, seed), all]))[1]!.get(DECODER.logits)!.slice();
}

/** Prompts in chunks and single rows, alone and together, long after the encoder ran; the program is disposed of. */
export async function checkMemory(executor: Executor, tolerance: number): Promise<void> {
  const [wanted, found] = [await createReferenceExecutor().load(twoGraphRequest()), await executor.load(memoryRequest())];
  try {
    wanted.ensurePages(0, 3);
    found.ensurePages(0, 5);
    found.ensurePages(1, 6);
    const [a, b] = LISTENERS as readonly [Listener, Listener];
    const want = [await recomputed(wanted, a, 13), await recomputed(wanted, b, 8)] as const;
    const lists: readonly (readonly Part[])[] = [
      [{ listener: a, start: 0, rows: 9 }],
      [{ listener: a, start: 9, rows: 1 }],
      [{ listener: b, start: 0, rows: 6 }, { listener: a, start: 10, rows: 2 }],
      [{ listener: a, start: 12, rows: 1 }, { listener: b, start: 6, rows: 1 }],
      [{ listener: b, start: 7, rows: 1 }],
    ];
    // The second memory is written while the first is in use.
    await found.run([writeRun(a)]);
    for (const [i, parts] of lists.entries()) {
      const runs = [...(i === 2 ? [writeRun(b)] : []), readRun(parts)];
      const got = (await found.run(runs)).at(-1)!.get(DECODER.logits)!;
      const expected = parts.flatMap(({ listener, start, rows }) => [
        ...want[LISTENERS.indexOf(listener)]!.subarray(start * TWO_GRAPHS.vocab, (start + rows) * TWO_GRAPHS.vocab),
      ]);
      expectClose(`step ${i}`, { wanted: expected, found: got }, tolerance);
    }
    const untold = readRun([{ listener: a, start: 0, rows: 1 }]);
    await expect(found.run([{ ...untold, sequences: untold.sequences!.map((each) => ({ ...each, memory: undefined })) }])).rejects.toThrow(
      'it attends to a memory; expected how many positions that of each sequence holds, found undefined',
    );
    await expect(found.run([{ ...untold, sequences: untold.sequences!.map((each) => ({ ...each, memory: 100 })) }])).rejects.toThrow(
      'positions up to 100 need 13 pages out of 5',
    );
  } finally {
    await Promise.all([wanted.dispose(), found.dispose()]);
  }
}
