import { afterEach, describe, expect, it, vi } from 'vitest';
import { runInParts } from './run-in-parts.ts';
import type { StepRange } from './threads.ts';

/** Records of 8, 12 and 16 bytes in turn, and where they begin. */
const WORDS = Uint32Array.from(Array.from({ length: 60 }, (_, i) => [9, 8 + 4 * (i % 3), ...Array<number>(i % 3).fill(0)]).flat());
const BEGINNINGS = new Set([...Array(60).keys()].reduce((ends, i) => [...ends, ends.at(-1)! + 8 + 4 * (i % 3)], [1000]));

afterEach(() => void vi.restoreAllMocks());

/** By a clock on which nothing else takes time. */
function threads(ms: number, onRun = (): void => {}) {
  const ranges: StepRange[] = [];
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const run = async (range: StepRange): Promise<void> => {
    ranges.push(range);
    onRun();
    now += ms;
  };
  return { run, ranges };
}

describe('a program in parts', () => {
  it.each([[0, 6], [25, 60]])('runs every record once, in order; parts of %i ms are %i', async (ms, count) => {
    const { run, ranges } = threads(ms);
    await runInParts({ run }, { address: 1000, words: WORDS, step: 7 }, new AbortController().signal);
    expect(ranges).toHaveLength(count);
    expect(ranges[0]!.program).toBe(1000);
    expect(ranges.at(-1)!.programEnd).toBe(1000 + WORDS.byteLength);
    for (const [i, { program, programEnd, step }] of ranges.entries()) {
      expect(step).toBe(7);
      expect(BEGINNINGS.has(program) && BEGINNINGS.has(programEnd) && programEnd > program).toBe(true);
      if (i > 0) expect(program).toBe(ranges[i - 1]!.programEnd);
    }
  });

  it('stops between two parts', async () => {
    const controller = new AbortController();
    const { run, ranges } = threads(0, () => ranges.length === 3 && controller.abort(new Error('enough')));
    await expect(runInParts({ run }, { address: 1000, words: WORDS, step: 7 }, controller.signal)).rejects.toThrow('enough');
    expect(ranges).toHaveLength(3);
  });
});
