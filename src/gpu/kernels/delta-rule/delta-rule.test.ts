import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { deltaRuleCase, joinedGates } from '../../../../test/gpu/delta-rule-case.ts';
import type { DeltaRuleShape } from '../../../../test/gpu/delta-rule-case.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { deltaRuleKernel, deltaRuleWorkgroups } from './delta-rule.ts';
import type { DeltaRuleVariant } from './delta-rule-variant.ts';

it.each([[1, 1], [3, 21_847], [2049, 32], [65_535, 3], [65_536 / 48, 48]].map(([rows, heads]) => [Math.ceil(rows!), heads!] as const))(
  '%i rows of %i heads take a workgroup each and none beyond, which might be a row of an earlier step', (rows, valueHeads) => {
    const [x, y, z] = deltaRuleWorkgroups({ valueHeads } as DeltaRuleVariant, rows);
    expect(x * y * z).toBe(rows * valueHeads);
    expect(Math.max(x, y, z)).toBeLessThanOrEqual(65_535);
  },
);

describe('delta rule', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const plain = { joined: false, norm: undefined, output: 'f32' } as const;
  const whole = { joined: true, norm: { eps: 1e-6 } } as const;
  const shapes: [DeltaRuleShape, number[]][] = [
    [{ ...plain, keyHeads: 1, valueHeads: 1, keyDim: 2, valueDim: 3, keyHeadMap: 'grouped' }, [1, 3]],
    [{ ...plain, keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'grouped' }, [1, 7, 2]],
    [{ ...plain, keyHeads: 2, valueHeads: 6, keyDim: 128, valueDim: 128, keyHeadMap: 'tiled' }, [1, 20]],
    [{ ...plain, keyHeads: 1, valueHeads: 2, keyDim: 64, valueDim: 300, keyHeadMap: 'tiled' }, [4]],
    [{ ...whole, output: 'f32', keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'tiled' }, [1, 5]],
    [{ ...whole, output: 'f32', keyHeads: 1, valueHeads: 2, keyDim: 32, valueDim: 300, keyHeadMap: 'grouped' }, [3, 1]],
    [{ ...whole, output: 'q8', keyHeads: 2, valueHeads: 4, keyDim: 128, valueDim: 128, keyHeadMap: 'tiled' }, [1, 9]],
    [{ ...whole, output: 'q8', keyHeads: 1, valueHeads: 2, keyDim: 12, valueDim: 32, keyHeadMap: 'grouped' }, [2, 1, 1]],
  ];
  const cases = shapes.flatMap(([shape, lengths]) => [undefined, 4].map((subgroupSize) => [shape, lengths, subgroupSize] as const));

  it.each(cases)('%j, sequences of %j rows, subgroups of %s', async ({ joined, ...shape }, lengths, subgroupSize) => {
    if (subgroupSize !== undefined) expect(test.subgroupSize).toBe(subgroupSize);
    const made = deltaRuleCase({ ...shape, joined }, lengths);
    const { rows, values, places, qkv, a, b, rates, state, want } = made;
    const { gates, places: columns } = joinedGates(made, shape.valueHeads);
    const invocations = shape.keyDim * shape.valueDim > 2048 ? 256 : 64;
    const variant: DeltaRuleVariant = { ...shape, gates: joined ? columns : undefined, subgroupSize, invocations };
    const out = await test.run({
      kernel: deltaRuleKernel(variant),
      workgroups: deltaRuleWorkgroups(variant, rows + 1),
      buffers: {
        qkv, a, b, gates, rates, state, y: new Float32Array((rows + 1) * values).fill(9), ...emptyQ8(rows + 1, values),
        // A stale row behind those of the step.
        rowSequence: Uint32Array.from([...lengths.flatMap((length, n) => Array.from({ length }, () => n)), 0]),
        slots: Uint32Array.from(places.flat()),
      },
    });
    const found = out.get('state') as Float32Array;
    expect(want.state.findIndex((value, i) => !(Math.abs(found[i]! - value) < 1e-5))).toBe(-1);
    if (shape.output === 'q8') {
      expect(compareQ8(writtenQ8(out, rows, values), want.y, { error: (i) => 1e-5 * (1 + Math.abs(want.y[i]!)) })).toBeUndefined();
      return;
    }
    const y = out.get('y') as Float32Array;
    expect(want.y.findIndex((value, i) => !(Math.abs(y[i]! - value) < 2e-5 * (1 + Math.abs(value))))).toBe(-1);
    expect([...y.subarray(rows * values)].every((value) => value === 9)).toBe(true);
  });
});
