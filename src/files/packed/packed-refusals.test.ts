import { describe, expect, it } from 'vitest';
import { fixturesPath, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../../test/fixture-tensors.ts';
import { moduleOf, openPacked, valuesOfTensor } from '../../../test/packed-folder.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';

const MLX = readFixtureTensors(`${fixturesPath}quant/mlx_affine.safetensors`);
const PACKED = readFixtureTensors(`${fixturesPath}packed/packed.safetensors`);

/** A change to the planes of a module: another tensor, or none. */
type Planes = Readonly<Record<string, FixtureTensor | undefined>>;
interface Wrong {
  readonly planes?: (of: ReadonlyMap<string, FixtureTensor>) => Planes;
  readonly config?: JsonObject;
}
type Case = readonly [what: string, wrong: Wrong, expected: RegExp];

const zeros = (dtype: string, shape: readonly number[], bytesEach: number): FixtureTensor => ({
  dtype, shape, bytes: new Uint8Array(shape.reduce((product, size) => product * size, bytesEach)),
});

/** The same tensor with these bytes from `at` on. */
function withBytes(tensor: FixtureTensor, at: number, ...values: readonly number[]): FixtureTensor {
  const bytes = tensor.bytes.slice();
  bytes.set(values, at);
  return { ...tensor, bytes };
}

/** Opens a folder and reads its tensor: an error may come of either. */
async function errorOf(planes: ReadonlyMap<string, FixtureTensor>, changes: Planes, config: JsonObject): Promise<Error | undefined> {
  const all = new Map([...planes, ...Object.entries(changes)]);
  const left = new Map([...all].filter((entry): entry is [string, FixtureTensor] => entry[1] !== undefined));
  try {
    const checkpoint = await openPacked(left, config);
    await valuesOfTensor(checkpoint, 'm.weight');
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function refuses(name: string, fixture: ReadonlyMap<string, FixtureTensor>, usual: JsonObject, cases: readonly Case[]): void {
  const planes = moduleOf(fixture, name);
  it('as it is, it is read', async () => {
    expect(await errorOf(planes, {}, usual)).toBeUndefined();
  });
  it.each(cases)('%s', async (_, { planes: change, config = usual }, expected) => {
    const error = await errorOf(planes, change?.(planes) ?? {}, config);
    expect(error?.message).toMatch(expected);
    expect(error).toBeInstanceOf(FormatError);
  });
}

const mlx = (settings: JsonObject): JsonObject => ({ quantization: settings });
const AFFINE = { group_size: 64, bits: 4, mode: 'affine' };

describe("MLX's affine folders", () => refuses('affine.b4.g64.f16', MLX, mlx(AFFINE), [
  ['a width that the tensors do not have', { config: mlx({ ...AFFINE, bits: 8 }) },
    /tensor m\.scales: expected 3 scales a row, as config\.json's quantization says 8 bits in groups of 64 .* 48 words \(4 bits/],
  ['a group that the tensors do not have', { config: mlx({ ...AFFINE, group_size: 32 }) },
    /m\.scales: expected 12 scales a row.*found f16 \[6, 6\]/],
  ['another width for the module', { config: mlx({ ...AFFINE, m: { group_size: 64, bits: 3 } }) },
    /config\.json's quantization\["m"\] says 3 bits/],
  ['a width of none', { config: mlx({ ...AFFINE, bits: 7 }) }, /quantization\.bits must be one of 2, 3, 4, 5, 6, 8, found 7/],
  ['a group of none', { config: mlx({ ...AFFINE, group_size: 16 }) }, /quantization\.group_size must be one of 32, 64, 128, found 16/],
  ['a mode that is not known', { config: mlx({ ...AFFINE, mode: 'trellis' }) },
    /quantization\.mode must be one of affine, .*, found "trellis"/],
  ['settings of a module that are a text', { config: mlx({ ...AFFINE, m: '4bit' }) },
    /quantization\["m"\] must be an object .*, found "4bit"/],
  ['a module that is said not to be quantised', { config: mlx({ ...AFFINE, m: false }) }, /m\.scales: expected none, since .* says false/],
  ['no scales', { planes: () => ({ 'm.scales': undefined }) },
    /expected tensor m\.scales, of a module whose weight is u32 \[6, 48\], found none/],
  ['no biases', { planes: () => ({ 'm.biases': undefined }) }, /expected tensor m\.biases, f16 \[6, 6\].*, found none/],
  ['no codes', { planes: () => ({ 'm.weight': undefined }) }, /expected tensor m\.weight, which its scales are of, found none/],
  ['codes that are floats', { planes: () => ({ 'm.weight': zeros('F16', [6, 48], 2) }) },
    /m\.weight: expected u32 .*, found f16 \[6, 48\]/],
  ['floats that are said to be codes',
    {
      planes: () => ({ 'm.weight': zeros('F16', [6, 48], 2), 'm.scales': undefined, 'm.biases': undefined }),
      config: mlx({ ...AFFINE, m: AFFINE }),
    },
    /expected tensor m\.scales, of a module which config\.json's quantization names, found none/],
  ['scales of another type', { planes: () => ({ 'm.scales': zeros('U8', [6, 6], 1) }) },
    /m\.scales: expected scales of f16, bf16, f32, found u8/],
  ['biases of another type', { planes: () => ({ 'm.biases': zeros('F32', [6, 6], 4) }) }, /m\.biases: expected f16 \[6, 6\].*, found f32/],
  ['biases of another shape', { planes: () => ({ 'm.biases': zeros('F16', [6, 5], 2) }) },
    /m\.biases: expected f16 \[6, 6\].*, found f16 \[6, 5\]/],
  ['scales of fewer rows', { planes: () => ({ 'm.scales': zeros('F16', [5, 6], 2) }) },
    /m\.scales: expected shape \[6, groups\].*found f16 \[5, 6\]/],
  ['no groups at all', { planes: () => ({ 'm.scales': zeros('F16', [6, 0], 2) }) },
    /m\.scales: expected 6 scales a row.*found f16 \[6, 0\]/],
  ['a scale that is NaN', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 2 * 8, 1, 0x7c) }) },
    /m\.scales: expected finite numbers, found NaN in row 1, group 2/],
  ['a bias that is infinite', { planes: (of) => ({ 'm.biases': withBytes(of.get('m.biases')!, 2 * 35, 0, 0xfc) }) },
    /m\.biases: expected finite numbers, found -Infinity in row 5, group 5/],
]));

describe("MLX's folders of small floats", () => {
  describe('mxfp4', () => refuses('mxfp4', MLX, mlx({ group_size: 32, bits: 4, mode: 'mxfp4' }), [
    ['a scale of 255', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 13, 255) }) },
      /m\.scales: .*found NaN in row 1, group 1/],
    ['biases', { planes: () => ({ 'm.biases': zeros('U8', [6, 12], 1) }) }, /m\.biases: expected no biases beside the scales of mxfp4/],
    ['scales that are floats', { planes: () => ({ 'm.scales': zeros('F16', [6, 12], 2) }) },
      /m\.scales: expected scales of u8 for mxfp4, found f16/],
    ['another group', { config: mlx({ group_size: 64, bits: 4, mode: 'mxfp4' }) },
      /quantization\.group_size must be 32 for mxfp4, found 64/],
    ['another width', { config: mlx({ group_size: 32, bits: 8, mode: 'mxfp4' }) }, /quantization\.bits must be 4 for mxfp4, found 8/],
  ]));
  describe('mxfp8', () => refuses('mxfp8', MLX, mlx({ group_size: 32, bits: 8, mode: 'mxfp8' }), [
    ['a value that is NaN', { planes: (of) => ({ 'm.weight': withBytes(of.get('m.weight')!, 384 * 2 + 7, 0xff) }) },
      /m\.weight: expected e4m3 values, found NaN in row 2, column 7/],
    ['a scale of 255', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 0, 255) }) },
      /m\.scales: .*found NaN in row 0, group 0/],
  ]));
  describe('nvfp4', () => refuses('nvfp4', MLX, mlx({ group_size: 16, bits: 4, mode: 'nvfp4' }), [
    ['a scale that is NaN', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 25, 0x7f) }) },
      /m\.scales: .*found NaN in row 1, group 1/],
    ['a scale below 0', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 25, 0xb8) }) },
      /m\.scales: expected finite numbers from 0 on, found -1 in row 1, group 1/],
    ['rows of half a block', { planes: () => ({ 'm.weight': zeros('U32', [6, 4], 4), 'm.scales': zeros('U8', [6, 2], 1) }) },
      /m\.weight: expected rows of a multiple of 64 values, the length of a block of nvfp4, found 32/],
  ]));
});

const quantized = (settings: JsonObject): JsonObject => ({ quantization_config: settings });
const GPTQ = { quant_method: 'gptq', bits: 4, group_size: 128, sym: true, desc_act: false };

describe('GPTQ', () => refuses('gptq.b4.g128.sym', PACKED, quantized(GPTQ), [
  ['other bits than the tensors', { config: quantized({ ...GPTQ, bits: 8 }) },
    /m\.qzeros: expected i32 \[2, 8\], as config\.json says 8 bits \(it has 4\)/],
  ['another group', { config: quantized({ ...GPTQ, group_size: 64 }) },
    /m\.scales: expected f16 or bf16 or f32 \[4, 32\] \(groups of 64 of 256 values.*found f16 \[2, 32\]/],
  ['a whole row under a scale', { config: quantized({ ...GPTQ, group_size: -1 }) }, /m\.scales: expected .*\[1, 32\].*found f16 \[2, 32\]/],
  ['a group that is a text', { config: quantized({ ...GPTQ, group_size: '128' }) },
    /quantization_config\.group_size must be a number of values, or -1 for gptq, found "128"/],
  ['a width of none', { config: quantized({ ...GPTQ, bits: 5 }) }, /quantization_config\.bits must be one of 2, 3, 4, 8 for gptq, found 5/],
  ['groups in the order of activations', { config: quantized({ ...GPTQ, desc_act: true }) }, /desc_act must be false for gptq, found true/],
  ['columns out of order', { planes: (of) => ({ 'm.g_idx': withBytes(of.get('m.g_idx')!, 4 * 5, 1) }) },
    /m\.g_idx: expected groups of 128 columns in order, found group 1 at column 5: .*desc_act/],
  ['an index of other columns', { planes: () => ({ 'm.g_idx': zeros('I32', [128], 4) }) },
    /m\.g_idx: expected i32 \[256\].*found i32 \[128\]/],
  ["Marlin's order", { config: quantized({ ...GPTQ, checkpoint_format: 'marlin' }) },
    /checkpoint_format must be "gptq" or "gptq_v2" for gptq, found "marlin"/],
  ['a zero point that is not in the middle', { planes: (of) => ({ 'm.qzeros': withBytes(of.get('m.qzeros')!, 1, 0x57) }) },
    /m\.qzeros: expected zero points of 8, as config\.json calls it symmetric, found 6 in row 3, group 0/],
  ['no zero points', { planes: () => ({ 'm.qzeros': undefined }) }, /expected tensor m\.qzeros, i32 or u32 \[2, 4\].*found none/],
  ['no scales', { planes: () => ({ 'm.scales': undefined }) }, /expected tensor m\.scales, .*found none/],
  ['scales of other rows', { planes: () => ({ 'm.scales': zeros('F16', [2, 31], 2) }) },
    /m\.scales: expected f16 or bf16 or f32 \[2, 32\].*found f16 \[2, 31\]/],
  ['groups that are too short',
    {
      planes: () => ({ 'm.scales': zeros('F16', [16, 32], 2), 'm.qzeros': zeros('I32', [16, 4], 4), 'm.g_idx': undefined }),
      config: quantized({ ...GPTQ, group_size: 16 }),
    },
    /m\.scales: expected a scale for each 32, 64, 128 or more values.*each 16/],
  ['a scale that is infinite', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 0, 0, 0x7c) }) },
    /m\.scales: expected finite numbers, found Infinity in row 0, group 0/],
  ['a minimum that f16 does not hold', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 0, 0xff, 0x7b) }) },
    /m\.scales: expected finite numbers, found -Infinity in row 0, group 0/],
  ['nothing that is packed', { planes: () => ({
    'm.qweight': undefined, 'm.qzeros': undefined, 'm.scales': undefined, 'm.g_idx': undefined, 'm.weight': zeros('F16', [2, 2], 2),
  }) }, /expected tensors packed by quant_method "gptq", as config\.json says, found none/],
]));

const AWQ = { quant_method: 'awq', bits: 4, group_size: 128, zero_point: true, version: 'gemm' };

describe('AWQ', () => refuses('awq.g128', PACKED, quantized(AWQ), [
  ['other bits', { config: quantized({ ...AWQ, bits: 3 }) }, /quantization_config\.bits must be 4 for awq, found 3/],
  ['no zero points', { config: quantized({ ...AWQ, zero_point: false }) },
    /quantization_config\.zero_point must be true for awq, found false/],
  ['another order', { config: quantized({ ...AWQ, version: 'gemv' }) },
    /quantization_config\.version must be "gemm" for awq, found "gemv"/],
  ['another group', { config: quantized({ ...AWQ, group_size: 64 }) },
    /m\.scales: expected f16 or bf16 or f32 \[4, 32\].*found f16 \[2, 32\]/],
  ['no group', { config: quantized({ ...AWQ, group_size: undefined! }) },
    /quantization_config\.group_size must be a number of values, or -1 for awq, found nothing/],
  ['no zero points', { planes: () => ({ 'm.qzeros': undefined }) }, /expected tensor m\.qzeros, .*\[2, 4\].*found none/],
  ['codes of floats', { planes: () => ({ 'm.qweight': zeros('F16', [256, 4], 2) }) },
    /m\.qweight: expected i32 \[in, out \/ 8\], found f16 \[256, 4\]/],
  ['a scale that is NaN', { planes: (of) => ({ 'm.scales': withBytes(of.get('m.scales')!, 2, 1, 0x7e) }) },
    /m\.scales: expected finite numbers, found NaN in row 1, group 0/],
]));

const ct = (weights: JsonObject, more: JsonObject = {}): JsonObject => quantized({
  quant_method: 'compressed-tensors', format: 'pack-quantized', config_groups: { group_0: { targets: ['Linear'], weights } }, ...more,
});
const INT8 = { num_bits: 8, type: 'int', symmetric: true, strategy: 'token', dynamic: true };
const INT4 = { num_bits: 4, type: 'int', symmetric: false, strategy: 'group', group_size: 128 };

describe('compressed-tensors', () => refuses('packed.b4.g128.asym', PACKED, ct(INT4), [
  ['other bits', { config: ct({ ...INT4, num_bits: 8 }) },
    /m\.weight_scale: expected .*\[32, 1\] \(8 bits in groups of 128.*found f16 \[32, 2\]/],
  ['a width that does not fill words', { config: ct({ ...INT4, num_bits: 3 }) }, /weights\.num_bits must be 2, 4 or 8 for .*, found 3/],
  ['another group', { config: ct({ ...INT4, group_size: 64 }) }, /m\.weight_scale: expected .*\[32, 4\].*found f16 \[32, 2\]/],
  ['a strategy that is not known', { config: ct({ ...INT4, strategy: 'token' }) }, /weights\.strategy must be one of .*, found "token"/],
  ['no groups of modules', { config: quantized({ quant_method: 'compressed-tensors', format: 'pack-quantized' }) },
    /config_groups must be an object of groups of modules/],
  ['a list of no groups', { config: ct(INT4, { config_groups: {} }) }, /config_groups must be an object of groups of modules/],
  ['activations in integers', { config: ct(INT4, { config_groups: { group_0: { weights: INT4, input_activations: INT8 } } }) },
    /config_groups\.group_0\.input_activations\.type must be "float" for .*, found "int"/],
  ['another format', { config: ct(INT4, { format: 'nvfp4-pack-quantized' }) },
    /quantization_config\.format must be one of .*, found "nvfp4-pack-quantized"/],
  ['a format of sparse weights', { config: ct(INT4, { sparsity_config: { format: 'sparse-24-bitmask' } }) },
    /sparsity_config\.format must be "dense"/],
  ['no zero points', { planes: () => ({ 'm.weight_zero_point': undefined }) },
    /expected tensor m\.weight_zero_point, i32 \[4, 2\].*found none/],
  ['no scales', { planes: () => ({ 'm.weight_scale': undefined }) }, /expected tensor m\.weight_scale, .*found none/],
  ['another shape', { planes: (of) => ({ 'm.weight_shape': withBytes(of.get('m.weight_shape')!, 8, 255, 0) }) },
    /m\.weight_shape: expected \[32, 256\], .*found \[32, 255\]: rows that do not fill/],
  ['columns out of order', { planes: () => ({ 'm.weight_g_idx': zeros('I32', [256], 4) }) },
    /m\.weight_g_idx: expected groups of 128 columns in order, found group 0 at column 128/],
]));

const FP8 = { quant_method: 'fp8', activation_scheme: 'dynamic', weight_block_size: [128, 128] };

describe('FP8', () => refuses('fp8.blocks', PACKED, quantized(FP8), [
  ['no scales', { planes: () => ({ 'm.weight_scale_inv': undefined }) },
    /expected tensor m\.weight_scale_inv or m\.weight_scale, the scales of e4m3 values, found none/],
  ['scales of other blocks', { planes: () => ({ 'm.weight_scale_inv': zeros('F32', [4, 2], 4) }) },
    /m\.weight_scale_inv: expected one scale, one a row \[256, 1\], or one for each 128 x 128 values \[2, 2\], .*found f32 \[4, 2\]/],
  ['blocks of 64 columns', { config: quantized({ ...FP8, weight_block_size: [128, 64] }) },
    /one for each 128 x 64 values \[2, 4\], with columns in multiples of 128/],
  ['blocks that are a text', { config: quantized({ ...FP8, weight_block_size: '128' }) },
    /quantization_config\.weight_block_size must be two numbers of values for fp8, found "128"/],
  ['values of five bits of exponent', { config: quantized({ ...FP8, fmt: 'e5m2' }) },
    /quantization_config\.fmt must be "e4m3" for fp8, found "e5m2"/],
  ['scales of integers', { planes: () => ({ 'm.weight_scale_inv': zeros('U8', [2, 2], 1) }) },
    /m\.weight_scale_inv: expected scales of .*found u8 \[2, 2\]/],
  ['rows of half a block', { planes: () => ({ 'm.weight': zeros('F8_E4M3', [4, 64], 1), 'm.weight_scale_inv': zeros('F32', [1, 1], 4) }) },
    /m\.weight: expected rows of a multiple of 128 values, the length of a block of fp8_g128, found 64/],
  ['a value that is NaN', { planes: (of) => ({ 'm.weight': withBytes(of.get('m.weight')!, 256 * 200 + 3, 0x7f) }) },
    /m\.weight: expected e4m3 values, found NaN in row 200, column 3/],
  ['a scale that is NaN', { planes: (of) => ({ 'm.weight_scale_inv': withBytes(of.get('m.weight_scale_inv')!, 12, 0, 0, 0xc0, 0x7f) }) },
    /m\.weight_scale_inv: expected finite numbers, found NaN in row 128, group 1/],
]));

describe("gpt-oss's blocks", () => {
  const planes = moduleOf(PACKED, 'gpt_oss');
  const own = new Map([['m.weight_blocks', planes.get('m.blocks')!], ['m.weight_scales', planes.get('m.scales')!]]);
  const config = quantized({ quant_method: 'mxfp4' });
  it.each<readonly [string, Planes, RegExp]>([
    ['no scales', { 'm.weight_scales': undefined }, /expected tensor m\.weight_scales, u8 \[2, 6, 3\].*found none/],
    ['scales of another shape', { 'm.weight_scales': zeros('U8', [2, 6, 4], 1) },
      /m\.weight_scales: expected u8 \[2, 6, 3\].*found u8 \[2, 6, 4\]/],
    ['blocks of another length', { 'm.weight_blocks': zeros('U8', [2, 6, 3, 8], 1) },
      /m\.weight_blocks: expected u8 .*groups, 16\], found u8 \[2, 6, 3, 8\]/],
    ['a scale of 255', { 'm.weight_scales': withBytes(planes.get('m.scales')!, 7, 255) },
      /m\.weight_scales: .*found NaN in row 2, group 1/],
    ['no blocks', { 'm.weight_blocks': undefined, 'm.weight_scales': undefined, 'm.weight': zeros('F16', [2, 2], 2) },
      /expected tensors packed by quant_method "mxfp4", as config\.json says, found none/],
  ])('%s', async (_, changes, expected) => {
    const error = await errorOf(own, changes, config);
    expect(error?.message).toMatch(expected);
    expect(error).toBeInstanceOf(FormatError);
  });
});

describe('packed weights without settings', () => {
  it.each([
    ['scales', 'U32', 'weight'], ['qweight', 'I32', 'qzeros'], ['weight_packed', 'I32', 'weight_scale'],
    ['weight_scale_inv', 'F32', 'weight'],
  ])('%s', async (plane, dtype, beside) => {
    const tensors = new Map([[`m.${beside}`, zeros(dtype, [4, 4], 4)], [`m.${plane}`, zeros(dtype, [4, 4], 4)]]);
    const opening = openPacked(tensors, { quantization: null, quantization_config: null });
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(`in config.json, as model.safetensors: tensor m.${plane} is of packed weights, found none`);
    // Floats may be called scales.
    if (plane === 'scales') await openPacked(new Map([['m.weight', zeros('F32', [4], 4)], ['m.scales', zeros('F32', [4], 4)]]), {});
  });
});

describe('methods that are not known', () => {
  it.each(['bitsandbytes', 'hqq', 'aqlm', 'eetq', 'bitnet', 'auto-round', 'modelopt'])('%s leaves the folder as it is', async (method) => {
    const checkpoint = await openPacked(new Map([['m.weight', zeros('U8', [4, 4], 1)]]), quantized({ quant_method: method }));
    expect(checkpoint.packing).toBeUndefined();
    expect(checkpoint.tensors.get('m.weight')).toMatchObject({ type: 'u8' });
  });
});
