import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import type { RouteOp } from '../../../graph/ops/route.ts';
import { runRoute } from '../../../reference/ops/route.ts';
import type { OpRun } from '../../../reference/op-run.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { routeKernel, routeWorkgroups } from './route.ts';
import type { RouteVariant } from './route.ts';

const PLAIN: RouteVariant = {
  experts: 8, used: 2, scores: 'softmax', scale: 1, normalise: undefined, selectionBias: false, expertScale: false, invocations: 64,
};

describe('route', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  interface Rows {
    readonly logits: Float32Array;
    readonly selectionBias: Float32Array;
    readonly expertScale: Float32Array;
  }

  /** On the GPU, and by the reference from the same f32 values. */
  async function route(variant: RouteVariant, { logits, selectionBias, expertScale }: Rows) {
    const rows = logits.length / variant.experts;
    const y = new Float32Array((rows + 1) * 2 * variant.used).fill(-7);
    const out = await test.run({
      kernel: routeKernel(variant), workgroups: routeWorkgroups(variant, rows),
      buffers: { logits, selectionBias, expertScale, y, step: stepOf(rows) },
    });
    const weight = (id: string, isThere: boolean) => (isThere ? { id, shape: [variant.experts] } : undefined);
    const op: RouteOp = {
      ...variant, kind: 'route', selectionBias: weight('bias', variant.selectionBias), expertScale: weight('scale', variant.expertScale),
    };
    const run = {
      floats: () => Float64Array.from(logits, (logit) => logit * (variant.logitScale ?? 1)),
      decoded: (id: string) => (id === 'bias' ? selectionBias : expertScale),
    } as unknown as OpRun;
    const want = runRoute(op, [{ id: 0, dtype: 'f32', shape: ['rows', variant.experts], label: 'logits' }], run);
    const got = out.get('y') as Float32Array;
    expect(got.subarray(want.length).every((value) => value === -7)).toBe(true);
    return { got: got.subarray(0, want.length), want };
  }

  function randomRows({ experts }: RouteVariant, rows: number): Rows {
    const random = randomSource(experts + rows);
    const values = (length: number, make: (random: number) => number) => Float32Array.from({ length }, () => make(random()));
    // Logits of few digits, so that some are equal.
    const logits = values(rows * experts, (u) => Math.round(u * 60 - 30) / 8);
    return { logits, selectionBias: values(experts, (u) => u - 0.5), expertScale: values(experts, (u) => u + 0.5) };
  }

  it.each([
    [PLAIN, 3],
    [{ ...PLAIN, experts: 128, used: 8, normalise: { eps: 0 } }, 5],
    [{ ...PLAIN, experts: 32, used: 4, scores: 'sigmoid', selectionBias: true, normalise: { eps: 1e-6 }, scale: 2.5 }, 4],
    [{ ...PLAIN, experts: 33, used: 33, normalise: { eps: 1e-3 }, expertScale: true }, 2],
    [{ ...PLAIN, experts: 300, used: 10, selectionBias: true, expertScale: true, invocations: 256 }, 2],
    [{ ...PLAIN, experts: 1, used: 1, single: true }, 1],
    [{ ...PLAIN, experts: 17, used: 3, scores: 'sigmoid', single: true }, 1],
    [{ ...PLAIN, experts: 9, used: 4, normalise: { eps: 0 }, logitScale: 0.125 }, 3],
  ] as const satisfies [RouteVariant, number][])('%j, %i rows', async (variant: RouteVariant, rows) => {
    const { got, want } = await route(variant, randomRows(variant, rows));
    const wrong = want.findIndex((value, i) => !(Math.abs(got[i]! - value) <= 1e-5 * Math.abs(value)));
    expect(wrong, `${wrong}: ${got[wrong]}, expected ${want[wrong]}`).toBe(-1);
  });

  it('logits whose softmax is nothing are told apart, and those beyond all scores keep their order', async () => {
    const logits = Float32Array.of(-2000, 0, -1000, -3000, -1000, -1e30, -0.5, -4000);
    const rows = { ...randomRows(PLAIN, 1), logits };
    const { got } = await route({ ...PLAIN, used: 5 }, rows);
    expect([...got.subarray(5)]).toEqual([1, 6, 2, 4, 0]);
    const { got: normalised, want } = await route({ ...PLAIN, used: 2, normalise: { eps: 0 } }, rows);
    normalised.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 6));
  });

  it('puts an expert that all rows go to last', async () => {
    const variant: RouteVariant = { ...PLAIN, experts: 7, normalise: { eps: 0 }, shared: true };
    const { logits } = randomRows(PLAIN, 3);
    const out = await test.run({
      kernel: routeKernel(variant), workgroups: routeWorkgroups(variant, 3),
      buffers: { logits, y: new Float32Array(3 * 6), step: stepOf(3) },
    });
    const y = out.get('y') as Float32Array;
    for (let row = 0; row < 3; row++) {
      const own = logits.subarray(8 * row, 8 * row + 7);
      const order = Array.from(own.keys()).toSorted((a, b) => own[b]! - own[a]! || a - b);
      const share = 1 / (1 + Math.exp(-logits[8 * row + 7]!));
      const [first, second, last, ...numbers] = y.subarray(6 * row, 6 * row + 6);
      expect(numbers).toEqual([order[0], order[1], 7]);
      expect(last).toBeCloseTo(share, 6);
      expect(first! + second!).toBeCloseTo(1, 6);
    }
  });

  it('names experts that there are whatever the logits are', async () => {
    const logits = Float32Array.of(NaN, NaN, Infinity, 1, NaN, -Infinity, Infinity, NaN);
    const { got } = await route({ ...PLAIN, used: 4 }, { ...randomRows(PLAIN, 1), logits });
    expect([...got.subarray(4)].every((e) => Number.isInteger(e) && e >= 0 && e < 8)).toBe(true);
  });
});
