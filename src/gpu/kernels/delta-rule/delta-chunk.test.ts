/** The delta rule in chunks: its three kernels after each other, against the rule line by line in float64. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { deltaRuleCase, joinedGates } from '../../../../test/gpu/delta-rule-case.ts';
import type { DeltaRuleRanges, DeltaRuleShape } from '../../../../test/gpu/delta-rule-case.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { recordFloats } from './chunk-records.ts';
import { deltaChunkKernel, deltaChunkWorkgroups } from './delta-chunk.ts';
import { deltaFinishKernel, deltaFinishWorkgroups } from './delta-finish.ts';
import { deltaStatePassKernel, deltaStatePassWorkgroups } from './delta-state-pass.ts';

interface Cut {
  readonly chunk: number;
  readonly lines: number;
  readonly rowsPerInvocation: number;
  readonly depth: number;
}

/** The texts are long: SwiftShader takes up to 10 s for a kernel where nothing else runs. */
const TIMEOUT = 240_000;

/** Largest of what a list has at each place. */
const most = (values: ArrayLike<number>, of: (value: number, i: number) => number = Math.abs) =>
  Array.from(values).reduce((found, value, i) => Math.max(found, of(value, i)), 0);

describe('delta rule in chunks', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function run({ joined, norm, output, ...shape }: DeltaRuleShape, cut: Cut, made: ReturnType<typeof deltaRuleCase>) {
    const { rows, values, places, qkv, a, b, rates, state } = made;
    const { gates, places: columns } = joinedGates(made, shape.valueHeads);
    const finishes = norm !== undefined || output === 'q8';
    const common = {
      qkv, a, b, gates, rates, step: Uint32Array.of(rows), slots: Uint32Array.from(places.flat()),
      // A stale row behind those of the step.
      rowSequence: Uint32Array.from([...places.flatMap(([, length], n) => Array.from({ length }, () => n)), 0]),
    };
    const chunk = { ...shape, ...cut, gates: joined ? columns : undefined };
    const records = new Float32Array(rows * shape.valueHeads * recordFloats(chunk)).fill(NaN);
    const solved = await test.run({
      kernel: deltaChunkKernel(chunk), workgroups: deltaChunkWorkgroups(chunk, rows), buffers: { ...common, records },
    });
    const pass = { ...shape, ...cut, output: finishes ? 'records' : 'f32' } as const;
    const passed = await test.run({
      kernel: deltaStatePassKernel(pass), workgroups: deltaStatePassWorkgroups(pass, rows),
      buffers: { ...common, records: solved.get('records')!, state, y: new Float32Array((rows + 1) * values).fill(9) },
    });
    if (!finishes) return passed;
    const finish = { ...shape, ...cut, gates: columns, norm, output, invocations: 128 };
    const finished = await test.run({
      kernel: deltaFinishKernel(finish), workgroups: deltaFinishWorkgroups(finish, rows),
      buffers: {
        ...common, records: passed.get('records')!, y: new Float32Array((rows + 1) * values).fill(9),
        ...emptyQ8(rows + 1, values),
      },
    });
    return new Map([...passed, ...finished]);
  }

  const small: Cut = { chunk: 16, lines: 8, rowsPerInvocation: 1, depth: 16 };
  const usual: Cut = { chunk: 32, lines: 16, rowsPerInvocation: 1, depth: 32 };
  const large: Cut = { chunk: 64, lines: 16, rowsPerInvocation: 2, depth: 16 };
  const plain = { joined: false, norm: undefined, output: 'f32' } as const;
  const whole = { joined: true, norm: { eps: 1e-6 } } as const;
  const tiny: DeltaRuleShape = { ...plain, keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'grouped' };
  const real: DeltaRuleShape = { ...plain, keyHeads: 1, valueHeads: 2, keyDim: 128, valueDim: 128, keyHeadMap: 'tiled' };
  const cases: [DeltaRuleShape, Cut, number[]][] = [
    [tiny, small, [1, 16, 17, 2, 40]],
    [tiny, { ...small, chunk: 32, lines: 4, depth: 4 }, [70, 32]],
    [{ ...real, valueHeads: 1, keyHeadMap: 'grouped' }, usual, [100]],
    [real, usual, [31, 33, 1, 3]],
    [real, { ...usual, rowsPerInvocation: 2, depth: 8 }, [50]],
    [real, large, [130, 20]],
    [{ ...plain, keyHeads: 1, valueHeads: 1, keyDim: 20, valueDim: 300, keyHeadMap: 'tiled' }, { ...usual, lines: 12, depth: 4 }, [45]],
    [{ ...tiny, ...whole, keyHeadMap: 'tiled' }, small, [5, 33]],
    [{ ...real, ...whole, output: 'q8' }, usual, [40, 3]],
    [{ ...real, ...plain, joined: true, output: 'q8' }, { ...usual, lines: 32 }, [34]],
  ];

  function check(found: Awaited<ReturnType<typeof run>>, shape: DeltaRuleShape, { rows, values, want }: ReturnType<typeof deltaRuleCase>) {
    const state = found.get('state') as Float32Array;
    expect(most(want.state, (value, i) => Math.abs(state[i]! - value))).toBeLessThan(2e-5 * most(want.state));
    const bound = 2e-5 * most(want.y);
    if (shape.output === 'q8') return expect(compareQ8(writtenQ8(found, rows, values), want.y, { error: () => bound })).toBeUndefined();
    const y = found.get('y') as Float32Array;
    expect(most(want.y, (value, i) => Math.abs(y[i]! - value))).toBeLessThan(bound);
    return expect([...y.subarray(rows * values)].every((value) => value === 9)).toBe(true);
  }

  it.each(cases)('%j, %j, sequences of %j rows', async (shape, cut, lengths) => {
    const made = deltaRuleCase(shape, lengths);
    check(await run(shape, cut, made), shape, made);
  }, TIMEOUT);

  const decays: Readonly<Record<string, DeltaRuleRanges>> = {
    'next to none': { a: () => -30 },
    'all of a state at every row': { a: () => 1e4 },
    'all of it at some rows': { a: (random, row) => (row % 5 === 3 ? 1e30 : (random() - 0.5) * 6) },
    'all of it at most rows': { a: (random, row) => (row % 16 < 13 ? 500 : -4 + random()) },
  };

  it.each(Object.keys(decays))('decays of %s', async (name) => {
    for (const cut of [{ ...usual, lines: 12, depth: 16 }, { ...large, lines: 8 }]) {
      const made = deltaRuleCase(tiny, [75], decays[name]);
      check(await run(tiny, cut, made), tiny, made);
    }
  }, TIMEOUT);
});
