/** A program of a graph run some records at a time, so that it can be stopped in between. */
import type { RunPart } from '../graph/executor.ts';
import { stepsOfPart } from '../graph/run-check.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { Threads } from './threads.ts';

export interface RecordedProgram {
  readonly address: number;
  /** The records, each with its bytes in its second word (`assembly/step-records.ts`). */
  readonly words: Uint32Array;
  /** Address of the step that they run. */
  readonly step: number;
}

/** A part that took less gets more records next time: handing one over costs about 0.05 ms. */
const LEAST_MS = 5;
/** A part that took more gets fewer. */
const MOST_MS = 20;

/** @throws the signal's reason, when a part has run */
export async function runInParts(
  threads: Pick<Threads, 'run'>, { address, words, step }: RecordedProgram, signal: CancelSignal,
): Promise<void> {
  let records = 1;
  for (let from = 0; from < words.length; ) {
    signal.throwIfAborted();
    let to = from;
    for (let i = 0; i < records && to < words.length; i++) to += (words[to + 1] as number) / 4;
    const startMs = performance.now();
    await threads.run({ program: address + 4 * from, programEnd: address + 4 * to, step });
    const ms = performance.now() - startMs;
    if (ms < LEAST_MS) records *= 2;
    else if (ms > MOST_MS) records = Math.max(1, records >> 1);
    from = to;
  }
}

/** Where in the words of a plan's records those of a part begin and end. */
export function recordsOfPart(part: RunPart | undefined, words: Uint32Array): readonly [from: number, end: number] {
  if (part === undefined) return [0, words.length];
  const at = [0];
  while ((at.at(-1) as number) < words.length) at.push((at.at(-1) as number) + (words[(at.at(-1) as number) + 1] as number) / 4);
  const [first, end] = stepsOfPart(part, at.length - 1);
  return [at[first] as number, at[end] as number];
}
