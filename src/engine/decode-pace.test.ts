/** The pace of chosen tokens, over a device that is only a clock. */
import { expect, it } from 'vitest';
import { createDecodePace } from './decode-pace.ts';

interface Clocks {
  readonly prefillMs: number;
  readonly stepMs: number;
  /** Of each submit, on the host, before the next one can be made. */
  readonly readersMs?: number;
  /** Of each step, on the host, before the submit is made. */
  readonly encodeMs?: number;
  readonly mostSteps?: number;
  readonly limit?: number;
}

/** Steps of each submit of a device that takes `prefillMs` for the first token and `stepMs` for each further one, two submits under way. */
function sizesOf({ prefillMs, stepMs, readersMs = 0, encodeMs = 0, mostSteps = 16, limit = 200 }: Clocks): {
  readonly sizes: number[];
  readonly arrivals: number[];
} {
  const pace = createDecodePace(mostSteps);
  pace.restart();
  const underWay: { readonly count: number; readonly submittedAt: number; readonly doneAt: number }[] = [];
  const [sizes, arrivals]: [number[], number[]] = [[], []];
  let [now, submitted, deviceFree] = [0, 0, 0];
  while (sizes.reduce((a, b) => a + b, 0) < limit) {
    while (underWay.length < 2 && submitted < limit) {
      const count = Math.min(pace.steps, limit - submitted);
      now += count * encodeMs;
      deviceFree = Math.max(deviceFree, now) + (submitted === 0 ? prefillMs : count * stepMs);
      underWay.push({ count, submittedAt: now, doneAt: deviceFree });
      submitted += count;
    }
    const { count, submittedAt, doneAt } = underWay.shift()!;
    const waitedMs = Math.max(0, doneAt - now);
    now += waitedMs;
    pace.note(count, { submittedAt, arrivedAt: now, waitedMs, readersMs });
    sizes.push(count);
    arrivals.push(now);
    now += readersMs;
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

it.each([
  // 64 streams of a server take 7 ms for their pieces, the device 3.4 for a step: three steps come as often as one.
  [{ stepMs: 3.4, readersMs: 7 }, 3],
  [{ stepMs: 3.4, readersMs: 0.5 }, 3],
  [{ stepMs: 0.5, readersMs: 7 }, 16],
  [{ stepMs: 3.4, readersMs: 25 }, 7],
])('with %j the device does not wait for readers: submits hold about %i', (times, size) => {
  const { sizes, arrivals } = sizesOf({ prefillMs: 20, limit: 900, ...times });
  const settled = sizes.slice(30, -2);
  expect(Math.min(...settled)).toBeGreaterThanOrEqual(size - 1);
  expect(Math.max(...settled)).toBeLessThanOrEqual(size + 2);
  const rate = settled.slice(1).reduce((sum, count) => sum + count, 0) / (arrivals.at(-3)! - arrivals[30]!);
  if (size < 16) expect(rate).toBeGreaterThan(0.9 / times.stepMs);
});

it('a host that is full with encoding gets no more steps than come smoothly', () => {
  const { sizes } = sizesOf({ prefillMs: 20, stepMs: 0.5, encodeMs: 1, readersMs: 0.5 });
  expect(Math.max(...sizes)).toBeLessThanOrEqual(12);
});

it('never holds more than the program lets it', () => {
  expect(Math.max(...sizesOf({ prefillMs: 1, stepMs: 0.01, mostSteps: 4 }).sizes)).toBe(4);
});

it('begins anew for a newcomer, and learns nothing from steps with rows of prompts', () => {
  const pace = createDecodePace(16);
  pace.restart();
  const note = (count: number | undefined, arrivedAt: number) => pace.note(count, { submittedAt: 0, arrivedAt, waitedMs: 1, readersMs: 0 });
  for (const at of [1, 2, 3, 4]) note(1, at);
  expect(pace.steps).toBe(8);
  note(undefined, 900);
  expect(pace.steps).toBe(8);
  pace.restart();
  expect(pace.steps).toBe(1);
  note(1, 1800);
  expect(pace.steps).toBe(1);
  note(1, 1801);
  expect(pace.steps).toBe(2);
});

it('a device that slows down tenfold has two long submits, the one that runs and the one behind it', () => {
  const pace = createDecodePace(32);
  pace.restart();
  const taken: number[] = [];
  const underWay: number[] = [];
  let now = 0;
  for (let submit = 0; submit < 40; submit++) {
    while (underWay.length < 2) underWay.push(pace.steps);
    const steps = underWay.shift() as number;
    const begin = now;
    now += steps * (submit < 20 ? 0.6 : 6);
    taken.push(now - begin);
    pace.note(steps, { submittedAt: 0, arrivedAt: now, waitedMs: now - begin, readersMs: 0 });
  }
  expect(taken.map((ms, i) => [i, ms] as const).filter(([, ms]) => ms > 12.001).map(([i]) => i)).toEqual([20, 21]);
  expect(Math.max(...taken)).toBeCloseTo(120);
});
