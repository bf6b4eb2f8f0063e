import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { addKernel, addWorkgroups } from './add.ts';
import type { AddVariant } from './add.ts';

describe('add', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const cases: { variant: AddVariant; rows: number }[] = [
    { variant: { width: 1 }, rows: 3 },
    { variant: { width: 63 }, rows: 5 },
    { variant: { width: 260 }, rows: 9 },
    { variant: { width: 1028, single: true }, rows: 1 },
  ];

  it.each(cases)('adds $rows rows of $variant.width and no others', async ({ variant, rows }) => {
    const random = randomSource(variant.width);
    const fill = () => Float32Array.from({ length: (rows + 1) * variant.width }, () => random() - 0.5);
    const [a, b, y] = [fill(), fill(), fill()];
    const step = stepOf(rows);
    const out = await test.run({ kernel: addKernel(variant), workgroups: addWorkgroups(variant, rows), buffers: { a, b, y, step } });
    expect(out.get('y')).toEqual(y.map((old, i) => (i < rows * variant.width ? Math.fround(a[i]! + b[i]!) : old)));
  });
});
