/** The pace of chosen tokens, over a device that is only a clock. */
import { expect, it } from 'vitest';
import { createDecodePace } from './decode-pace.ts';

/** Steps of each submit of a device that takes `prefillMs` for the first token and `stepMs` for each further one, two submits under way. */
function sizesOf({ prefillMs, stepMs, mostSteps = 16, limit = 200 }: Record<'prefillMs' | 'stepMs', number> & Record<string, number>): {
  readonly sizes: number[];
  readonly arrivals: number[];
} {
  const pace = createDecodePace(mostSteps);
  pace.restart();
  const underWay: { readonly count: number; readonly submittedAt: number; readonly isFirst: boolean }[] = [];
  const [sizes, arrivals]: [number[], number[]] = [[], []];
  let [now, submitted] = [0, 0];
  while (sizes.reduce((a, b) => a + b, 0) < limit) {
    while (underWay.length < 2 && submitted < limit) {
      const count = Math.min(pace.steps, limit - submitted);
      underWay.push({ count, submittedAt: now, isFirst: submitted === 0 });
      submitted += count;
    }
    const { count, submittedAt, isFirst } = underWay.shift()!;
    now = Math.max(now, submittedAt) + (isFirst ? prefillMs : count * stepMs);
    pace.note(count, { submittedAt, arrivedAt: now });
    sizes.push(count);
    arrivals.push(now);
  }
  return { sizes, arrivals };
}

it.each([
  [0.05, 16],
  [0.7, 16],
  [2, 6],
  [5, 2],
  [11, 1],
  [30, 1],
])('with steps of %f ms, submits hold %i, twenty come a second and the first token alone', (stepMs, size) => {
  const { sizes, arrivals } = sizesOf({ prefillMs: 400, stepMs });
  // A prefill of any length says nothing about steps.
  expect(sizes.slice(0, 3)).toEqual([1, 1, 1]);
  expect(Math.max(...sizes)).toBe(size);
  expect(sizes.slice(9, -1).every((each) => each === size)).toBe(true);
  const gaps = arrivals.slice(1).map((at, i) => at - (arrivals[i] as number));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(50);
});

it('never holds more than the program lets it', () => {
  expect(Math.max(...sizesOf({ prefillMs: 1, stepMs: 0.01, mostSteps: 4 }).sizes)).toBe(4);
});

it('begins anew for a newcomer, and learns nothing from steps with rows of prompts', () => {
  const pace = createDecodePace(16);
  pace.restart();
  for (const at of [1, 2, 3, 4]) pace.note(1, { submittedAt: 0, arrivedAt: at });
  expect(pace.steps).toBe(8);
  pace.note(undefined, { submittedAt: 0, arrivedAt: 900 });
  expect(pace.steps).toBe(8);
  pace.restart();
  expect(pace.steps).toBe(1);
  pace.note(1, { submittedAt: 0, arrivedAt: 1800 });
  expect(pace.steps).toBe(1);
  pace.note(1, { submittedAt: 0, arrivedAt: 1801 });
  expect(pace.steps).toBe(2);
});
