import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canRun, createNullGpu, openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import {
  ATTENTION_TOLERANCE, compareAttention, compareCache, expectedAttention, makeAttentionCase, shapeOf, storedVector, withRowsWritten,
} from '../../../../test/gpu/attention-case.ts';
import type { AttentionCase, CaseSequence } from '../../../../test/gpu/attention-case.ts';
import { compareQ8 } from '../../../../test/gpu/q8-values.ts';
import { bringsKeys } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../attention-combine/attention-combine.ts';
import { attentionDecodeKernel, attentionDecodeWorkgroups, decodeQueryHeads, fittingDecodeVariant } from './attention-decode.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';
import { partialBytes } from './key-splits.ts';
import { workgroupBytesOf } from '../../kernel.ts';
import { f16ToF32, f32ToF16 } from '../../../tensor/half.ts';

type Form = Omit<AttentionDecodeVariant, 'shape'>;

const norm = { eps: 1e-5 };
const UNGAINED = { ...norm, ungained: true } as const;
const at = (...starts: readonly number[]): readonly CaseSequence[] => starts.map((start) => ({ start, rows: 1 }));
const FLAT: Form = { queryHeads: 1, splits: undefined, subgroupSize: undefined, invocations: 64, unroll: 1 };
/** SwiftShader's subgroups. */
const LANES: Form = { queryHeads: 1, splits: undefined, subgroupSize: 4, invocations: 16, unroll: 1 };
const four = { count: 4, granule: 16 };
const many = { count: 32, granule: 8 };
const SEVERAL = at(0, 1, 31, 63, 64, 65, 200);

/** Shapes and lengths, each run in several forms: few where a head is long, which SwiftShader takes seconds to compile. */
const CASES: readonly (readonly [name: string, shape: AttentionShape, sequences: readonly CaseSequence[], forms: readonly Form[]])[] = [
  ['headDim 16, groups of 2', shapeOf({}), SEVERAL, [
    FLAT, { ...FLAT, queryHeads: 2 }, { ...FLAT, queryHeads: 2, splits: four }, { ...FLAT, splits: many },
    LANES, {
      ...LANES, queryHeads: 2, unroll: 2, invocations: 32,
    }, { ...LANES, queryHeads: 2, splits: four }, { ...LANES, splits: many, unroll: 4 }, { ...LANES, splits: { count: 1, granule: 16 } },
    { ...LANES, loads: 'together', unroll: 4 }, { ...LANES, loads: 'ahead', unroll: 2 }, {
      ...LANES, loads: 'ahead', unroll: 4, queryHeads: 2, splits: four, invocations: 8,
    },
    { ...LANES, unroll: 16, splits: many, invocations: 8 },
  ]],
  [
    'headDim 20, groups of 1, f32', shapeOf({ headDim: 20, kvHeads: 2, heads: 2 }), at(0, 65, 33),
    [FLAT, LANES, { ...LANES, splits: four, invocations: 4 }],
  ],
  ['headDim 20 padded, f16', shapeOf({ headDim: 20, kvHeads: 1, heads: 3, kv: 'f16' }), at(0, 65, 33), [{ ...FLAT, queryHeads: 3 }, LANES]],
  [
    'headDim 64, groups of 3, f16', shapeOf({ headDim: 64, kvHeads: 2, heads: 6, kv: 'f16' }), at(1, 130),
    [{ ...FLAT, queryHeads: 3 }, { ...LANES, splits: four }, { ...LANES, loads: 'together', unroll: 2, queryHeads: 3 }],
  ],
  ['headDim 16, groups of 4, separate', shapeOf({ kvHeads: 1, input: 'separate' }), at(31, 70), [
    { ...FLAT, queryHeads: 4, splits: four }, { ...FLAT, queryHeads: 2 }, { ...LANES, queryHeads: 4 }, {
      ...LANES, queryHeads: 2, splits: four,
    },
  ]],
  [
    'headDim 32, groups of 8, f16', shapeOf({ headDim: 32, kvHeads: 1, heads: 8, kv: 'f16' }), at(65),
    [{ ...FLAT, queryHeads: 4 }, { ...FLAT, queryHeads: 8, invocations: 128, splits: four }, { ...LANES, queryHeads: 8 }],
  ],
  ['headDim 64, f32', shapeOf({ headDim: 64, kvHeads: 1, heads: 1 }), at(40), [{ ...FLAT, splits: four }, LANES]],
  ['headDim 128, f32', shapeOf({ headDim: 128, kvHeads: 1, heads: 2 }), at(40), [{ ...FLAT, queryHeads: 2 }]],
  ['headDim 128, f16', shapeOf({ headDim: 128, kvHeads: 1, heads: 1, kv: 'f16' }), at(40), [FLAT, { ...LANES, invocations: 8 }]],
  ['no norm, no rope, separate', shapeOf({ q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, input: 'separate' }), at(0, 64), [FLAT, LANES]],
  ['rope alone, a part of the head', shapeOf({ headDim: 32, q: { rotaryDim: 16 }, k: { rotaryDim: 16 } }), at(20), [FLAT, LANES]],
  ['an odd rotary part, norm of q alone', shapeOf({ q: { norm, rotaryDim: 10 }, k: { rotaryDim: 10 } }), at(20), [FLAT, LANES]],
  [
    'norms of different eps, separate',
    shapeOf({ q: { norm: { eps: 0.5 }, rotaryDim: 0 }, k: { norm: { eps: 0.25 }, rotaryDim: 16 }, input: 'separate' }),
    at(20), [FLAT, LANES],
  ],
  [
    'pages of 12 positions', shapeOf({ pageTokens: 12 }), at(65),
    [FLAT, LANES, { ...LANES, unroll: 8 }, { ...LANES, unroll: 8, loads: 'ahead', invocations: 4 }],
  ],
  ['a window of 20', shapeOf({ window: 20 }), SEVERAL, [
    FLAT, { ...FLAT, queryHeads: 2, splits: four }, {
      ...FLAT, splits: { count: 4, granule: 4 },
    }, LANES, { ...LANES, queryHeads: 2, unroll: 4 },
    { ...LANES, splits: four }, { ...LANES, splits: many, unroll: 4, loads: 'ahead' }, { ...LANES, unroll: 16, invocations: 8 },
  ]],
  ['a window of 1, f16', shapeOf({ window: 1, kv: 'f16' }), at(0, 40), [FLAT, LANES, { ...LANES, splits: four }]],
  [
    'a window of 70, q8, pages of 12', shapeOf({ window: 70, output: 'q8', pageTokens: 12 }), at(69, 70, 130),
    [FLAT, { ...FLAT, queryHeads: 2, splits: many }, { ...LANES, unroll: 8, splits: four }],
  ],
  [
    'keys of 32, values of 16, f32, a window', shapeOf({ keyDim: 32, valueDim: 16, window: 30 }), at(0, 65),
    [FLAT, { ...FLAT, queryHeads: 2, splits: four }, LANES, { ...LANES, unroll: 2, splits: four, loads: 'ahead' }],
  ],
  [
    'keys of 16, values of 48, f16, q8', shapeOf({ keyDim: 16, valueDim: 48, kv: 'f16', output: 'q8' }), at(5, 33),
    [FLAT, { ...LANES, queryHeads: 2 }, { ...LANES, splits: many, unroll: 4 }],
  ],
  [
    'keys of 20, values of 36, f16, separate', shapeOf({ keyDim: 20, valueDim: 36, kv: 'f16', input: 'separate' }), at(33),
    [{ ...FLAT, splits: four }, LANES, { ...LANES, loads: 'together' }],
  ],
  ['headDim 512, f32', shapeOf({ headDim: 512, kvHeads: 1, heads: 1 }), at(20), [{ ...FLAT, invocations: 128 }]],
  ['q8', shapeOf({ output: 'q8' }), at(5, 65), [FLAT, { ...FLAT, queryHeads: 2 }, LANES, { ...LANES, queryHeads: 2, splits: four }]],
  [
    'q8, headDim 48, f16', shapeOf({ output: 'q8', headDim: 48, kv: 'f16', heads: 4, kvHeads: 2 }), at(33),
    [{ ...FLAT, queryHeads: 2, splits: many }, { ...LANES, queryHeads: 2 }],
  ],
  ['scores capped at 2', shapeOf({ softcap: 2 }), at(0, 65), [
    FLAT, { ...FLAT, queryHeads: 2, splits: four }, LANES, { ...LANES, splits: four },
  ]],
  [
    'scores capped at 50, f16, q8, a window', shapeOf({ softcap: 50, kv: 'f16', output: 'q8', window: 20, scale: 3 }), at(40),
    [FLAT, { ...LANES, unroll: 2, queryHeads: 2 }],
  ],
  ['sinks', shapeOf({ sinks: true }), at(0, 1, 65), [
    FLAT, { ...FLAT, queryHeads: 2 }, { ...FLAT, splits: four }, LANES, { ...LANES, queryHeads: 2, splits: many },
  ]],
  [
    'sinks, f16, q8, a window, no norms',
    shapeOf({ sinks: true, kv: 'f16', output: 'q8', window: 20, q: { rotaryDim: 16 }, k: { rotaryDim: 16 } }),
    at(0, 40), [FLAT, { ...FLAT, queryHeads: 2, splits: four }, { ...LANES, queryHeads: 2 }],
  ],
  ['a temperature', shapeOf({ temperature: { beta: 0.5, length: 8 } }), at(7, 8, 65), [FLAT, LANES, { ...LANES, splits: four }]],
  [
    'a temperature by halves, capped scores, sinks', shapeOf({ temperature: { beta: 0.1, length: 2.5 }, softcap: 3, sinks: true }), at(65),
    [FLAT, { ...LANES, splits: four }],
  ],
  ['both directions, a window of 21', shapeOf({ causal: false, window: 21 }), at(0, 10, 65), [
    FLAT, { ...FLAT, queryHeads: 2, splits: four }, LANES, { ...LANES, splits: four },
  ]],
  [
    'norms without gains, of v too', shapeOf({ q: { norm: UNGAINED, rotaryDim: 16 }, k: { norm: UNGAINED, rotaryDim: 16 }, v: { norm } }),
    at(0, 33), [FLAT, { ...FLAT, queryHeads: 2, splits: four }, LANES, { ...LANES, queryHeads: 2, splits: four }],
  ],
  [
    'norms without gains, an odd rotary part, keys of 16, values of 20, f16, separate', shapeOf({
      q: { norm: UNGAINED, rotaryDim: 10 }, k: { rotaryDim: 10 }, v: { norm }, valueDim: 20, kv: 'f16', input: 'separate',
    }), at(20), [FLAT, LANES],
  ],
  ['queries alone', shapeOf({ input: 'queries', k: { rotaryDim: 0 } }), SEVERAL, [
    FLAT, { ...FLAT, queryHeads: 2 }, { ...FLAT, queryHeads: 2, splits: four }, LANES, { ...LANES, queryHeads: 2, unroll: 2 },
    { ...LANES, queryHeads: 2, splits: four, loads: 'ahead', unroll: 2 }, { ...LANES, splits: many, unroll: 16, invocations: 8 },
  ]],
  [
    'queries alone, a window of 20, f16, q8, three heads a workgroup of one subgroup',
    shapeOf({ input: 'queries', k: { rotaryDim: 0 }, heads: 6, window: 20, kv: 'f16', output: 'q8' }), at(0, 19, 20, 65),
    [{ ...FLAT, queryHeads: 3 }, { ...FLAT, splits: four }, { ...LANES, queryHeads: 3, invocations: 4 }, { ...LANES, splits: four }],
  ],
  [
    'queries alone, keys of 20, values of 36, no norm, sinks',
    shapeOf({ input: 'queries', q: { rotaryDim: 8 }, k: { rotaryDim: 0 }, keyDim: 20, valueDim: 36, sinks: true }), at(33),
    [FLAT, { ...LANES, splits: four }],
  ],
  ['q8, headDim 32', shapeOf({ kv: 'q8', headDim: 32 }), SEVERAL, [{ ...FLAT, queryHeads: 2, splits: four }, { ...LANES, queryHeads: 2 }]],
  [
    'q4, headDim 80, sinks, a window, separate, q8',
    shapeOf({ kv: 'q4', headDim: 80, sinks: true, window: 40, input: 'separate', output: 'q8', kvHeads: 1, heads: 2 }), at(0, 65), [
      FLAT, { ...LANES, splits: four, loads: 'ahead' },
    ],
  ],
  ['keys of q8, values of q4, a cap', shapeOf({ kv: 'q8', valueKv: 'q4', softcap: 2 }), at(33), [FLAT, { ...LANES, unroll: 2 }]],
  [
    'keys of f16, values of q8, no norm of q', shapeOf({ kv: 'f16', valueKv: 'q8', headDim: 64, q: { rotaryDim: 64 } }), at(33),
    [{ ...LANES, splits: four, unroll: 2 }],
  ],
];

function nameOf({ queryHeads, splits, subgroupSize, invocations, unroll, loads = 'refilled' }: Form): string {
  const how =
    subgroupSize === undefined ? `${invocations} invocations` : `${invocations / subgroupSize} subgroups, ${unroll} in flight, ${loads}`;
  return `${how}, ${queryHeads} heads, ${splits ? `${splits.count} splits of ${splits.granule}` : 'whole'}`;
}

describe('attention-decode', () => {
  let test: TestDevice;
  let nullGpu: GPU | undefined;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function decode(problem: AttentionCase, variant: AttentionDecodeVariant): Promise<Map<string, BufferData>> {
    const { shape, splits } = variant;
    const kernel = attentionDecodeKernel(variant);
    const partials = splits ? new Float32Array(partialBytes(shape, splits, problem.rows) / 4).fill(NaN) : new Float32Array(4);
    const out = await test.run({
      kernel, workgroups: attentionDecodeWorkgroups(variant, problem.rows), buffers: { ...problem.buffers, partials },
    });
    if (!splits) return out;
    // Few invocations and many: one slice of splits, or several.
    const combine = { shape, splits, invocations: splits.count > 4 ? Math.max(64, shape.valueDim) : 32 };
    const buffers = { ...problem.buffers, partials: out.get('partials') as BufferData };
    const combined = await test.run({
      kernel: attentionCombineKernel(combine), workgroups: attentionCombineWorkgroups(combine, problem.rows), buffers,
    });
    return new Map([...out, ...combined]);
  }

  /** What the step finds in the cache: where it has queries alone, its own rows too. */
  function caseOf(shape: AttentionShape, sequences: readonly CaseSequence[]): AttentionCase {
    const problem = makeAttentionCase(shape, sequences);
    return bringsKeys(shape) ? problem : withRowsWritten(problem);
  }

  function compare(problem: AttentionCase, out: Map<string, BufferData>, { subgroupSize }: Form): string | undefined {
    const { shape, rows, buffers } = problem;
    const isRead = !bringsKeys(shape);
    const cache = (isRead ? buffers['kv'] : out.get('kv')) as BufferData;
    const want = expectedAttention(problem, cache, subgroupSize === undefined ? 'asHalves' : 'exactly');
    const width = shape.heads * shape.valueDim;
    const result = shape.output === 'f32'
      ? compareAttention(out.get('y') as BufferData, want)
      : compareQ8(
        { rows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array }, want,
        { error: () => ATTENTION_TOLERANCE },
      );
    return (isRead ? undefined : compareCache(problem, cache)) ?? result;
  }

  for (const [name, shape, sequences, forms] of CASES) {
    describe(name, () => {
      it.for(forms.map((form) => [nameOf(form), form] as const))('%s', async ([, form], { skip }) => {
        const variant = { shape, ...form };
        if (!canRun(test, attentionDecodeKernel(variant))) skip();
        const problem = caseOf(shape, sequences);
        expect(compare(problem, await decode(problem, variant), form)).toBeUndefined();
      });
    });
  }

  it.each([['invocations', FLAT], ['subgroups', LANES]] as const)('by %s, f16: what it does not hold is infinite', async (_, form) => {
    const shape = shapeOf({ kv: 'f16', input: 'separate' });
    const problem = makeAttentionCase(shape, at(0));
    const wild = [65_504, 65_519, 65_520, -65_520, 1e30, -1e30, NaN, 1, 0, 3e-8, 2, -65_519];
    const v = Float32Array.from(problem.buffers['v'] as Float32Array, (value, i) => wild[i] ?? value);
    const out = await decode({ ...problem, buffers: { ...problem.buffers, v } }, { shape, ...form });
    const written = { ...problem, buffers: { ...problem.buffers, kv: out.get('kv') as BufferData } };
    const stored = storedVector(written, { sequence: 0, part: 1, kvHead: 0, position: 0 });
    expect([...stored.subarray(0, wild.length)]).toEqual(wild.map((value) => f16ToF32(f32ToF16(value))));
  });

  it('codes that are read as halves end where those do, and NaN stays NaN', async () => {
    const shape = shapeOf({ kv: 'q8', headDim: 32 });
    const problem = makeAttentionCase(shape, at(0));
    const v = problem.v.map((value, i) => (i === 20 ? NaN : value * (i < 16 ? 1e6 : 1)));
    const written = withRowsWritten({ ...problem, v });
    const y = (await decode(written, { shape, ...FLAT })).get('y') as Float32Array;
    const stored = storedVector(written, { sequence: 0, part: 1, kvHead: 0, position: 0 });
    const wanted = [...stored].map((value) => Math.max(-65_504, Math.min(65_504, value)));
    expect(wanted.filter((value) => Math.abs(value) === 65_504).length).toBeGreaterThan(4);
    wanted.forEach((value, i) => (i < 16 ? expect(y[i]).toBe(value === 0 ? 0 : f16ToF32(f32ToF16(value))) : expect(y[i]).toBeNaN()));
  });

  it('a comparison fails where one key more, or one less, is attended to', async () => {
    const problem = makeAttentionCase(shapeOf({}), at(65));
    const out = await decode(problem, { shape: problem.shape, ...FLAT });
    const shorter = { ...problem, positions: Uint32Array.of(64) };
    expect(compareAttention(out.get('y') as BufferData, expectedAttention(shorter, out.get('kv') as BufferData))).toMatch(/^value/);
  });

  it.each([
    ['sinks', { sinks: undefined }], ['a cap', { softcap: undefined }], ['a temperature', { temperature: undefined }],
    ['a window on both sides', { window: 8 }],
  ] as const)('a comparison fails without %s', async (_, change) => {
    const shape = shapeOf({ sinks: true, softcap: 2, temperature: { beta: 0.5, length: 8 }, causal: false, window: 10 });
    const problem = makeAttentionCase(shape, at(65));
    const out = await decode(problem, { shape: { ...shape, ...change }, ...FLAT });
    expect(compareAttention(out.get('y') as BufferData, expectedAttention(problem, out.get('kv') as BufferData))).toMatch(/^value/);
  });

  it('what 32 lanes run is valid, within 32 KiB and 10 storage buffers', async () => {
    const null32 = await openTestDevice((nullGpu ??= createNullGpu()));
    const shape = shapeOf({ heads: 16, kvHeads: 8, headDim: 128, kv: 'f16', output: 'q8', pageTokens: 64 });
    const splits = { count: 32, granule: 64 };
    const lanes: Form = { queryHeads: 1, splits: undefined, subgroupSize: 32, invocations: 1024, unroll: 4 };
    for (const form of [
      lanes, { ...lanes, queryHeads: 2, splits, invocations: 256, unroll: 8, loads: 'ahead' as const },
      { ...lanes, queryHeads: 2, invocations: 256 },
    ]) {
      const variant = { shape, ...form };
      const kernel = attentionDecodeKernel(variant);
      expect(workgroupBytesOf(kernel.wgsl)).toBeLessThanOrEqual(32768);
      expect(kernel.bindings.length).toBeLessThanOrEqual(10);
      // The null adapter has the least limits, so this goes as far as the module.
      const { messages } = await null32.device.createShaderModule({ code: kernel.wgsl }).getCompilationInfo();
      expect(messages.filter(({ type }) => type === 'error')).toEqual([]);
    }
    null32.close();
  });

  it('variants without subgroups stay within the memory that every device has', () => {
    const qwen = shapeOf({ heads: 32, kvHeads: 8, headDim: 128, kv: 'f16', output: 'q8' });
    for (const shape of [qwen, { ...qwen, kv: 'f32' } as const]) {
      expect(workgroupBytesOf(attentionDecodeKernel({ shape, ...FLAT, queryHeads: 4, invocations: 128 }).wgsl)).toBeLessThanOrEqual(16384);
    }
  });

  it('takes as many heads into a workgroup as fit', () => {
    const shape = shapeOf({ heads: 32, kvHeads: 8, headDim: 128 });
    const most = (form: Partial<Form>, bytes: number) => decodeQueryHeads({ shape, ...FLAT, ...form }, { most: 4, bytes });
    expect([most({}, 16384), most({ invocations: 128 }, 16384), most({ invocations: 128 }, 6144)]).toEqual([2, 4, 2]);
    expect([most(LANES, 32768), most({ ...LANES, invocations: 128 }, 32768)]).toEqual([4, 1]);
    expect(most({ invocations: 16 }, 16384)).toBeUndefined();
    // Wide heads: more invocations without subgroups, fewer with them.
    const wide = { ...shape, keyDim: 512, valueDim: 512 };
    const invocationsFor = (form: Partial<Form>, bytes: number) =>
      fittingDecodeVariant({ shape: wide, ...FLAT, ...form }, { most: 1, bytes, invocations: 256 })?.invocations;
    expect([invocationsFor({}, 16384), invocationsFor({ subgroupSize: 32, invocations: 256 }, 16384)]).toEqual([128, 128]);
    expect([invocationsFor({}, 4096), invocationsFor({ subgroupSize: 32, invocations: 256 }, 4096)]).toEqual([undefined, undefined]);
    expect(decodeQueryHeads({ shape: { ...shape, heads: 40 }, ...FLAT, invocations: 256 }, { most: 4, bytes: 16384 })).toBe(1);
  });

  it('refuses variants that have no meaning', () => {
    expect(() => attentionDecodeKernel({ shape: shapeOf({}), ...FLAT, queryHeads: 4 })).toThrow('do not divide a group of 2');
    expect(() => attentionDecodeKernel({ shape: shapeOf({ headDim: 128, heads: 8 }), ...FLAT, queryHeads: 4 })).toThrow('too few');
    expect(() => attentionDecodeKernel({ shape: shapeOf({ headDim: 18 }), ...FLAT })).toThrow('not a multiple of 4');
  });
});
