import { describe, expect, it } from 'vitest';
import { f32Of, fixturesPath, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import { moduleOf, openPacked, valuesOfTensor } from '../../../test/packed-folder.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';

const MLX = readFixtureTensors(`${fixturesPath}quant/mlx_affine.safetensors`);
const PACKED = readFixtureTensors(`${fixturesPath}packed/packed.safetensors`);

function casesOf(tensors: ReadonlyMap<string, unknown>): readonly string[] {
  return [...tensors.keys()].filter((name) => name.endsWith('.values')).map((name) => name.slice(0, -'.values'.length));
}

/** Where two lists differ; zeros of either sign are the same, as e2m1's second zero is to ggml's blocks. */
function differences(values: Float32Array, expected: Float32Array): readonly unknown[] {
  expect(values.length).toBe(expected.length);
  return [...values.keys()].filter((i) => values[i] !== expected[i]).map((i) => [i, values[i], expected[i]]);
}

describe("MLX's folders hold the values of make_quant.py exactly", () => {
  it.each(casesOf(MLX))('%s', async (name) => {
    const [, bits, group, scale] = /^affine\.b(\d)\.g(\d+)\.(\w+)$/.exec(name) ?? [];
    const quantization: JsonObject =
      bits === undefined ? { group_size: name === 'nvfp4' ? 16 : 32, bits: name === 'mxfp8' ? 8 : 4, mode: name }
        : { group_size: Number(group), bits: Number(bits), mode: 'affine' };
    const checkpoint = await openPacked(moduleOf(MLX, name), { quantization, quantization_config: quantization });
    expect([...checkpoint.tensors.values()].map((entry) => [entry.name, entry.type, entry.shape])).toEqual([
      ['m.weight', bits === undefined ? name : `affine${bits}_g${group}_${scale}`, [6, 384]],
    ]);
    expect(differences(await valuesOfTensor(checkpoint, 'm.weight'), f32Of(MLX, `${name}.values`))).toEqual([]);
  });
});

const FP8 = { quant_method: 'fp8', activation_scheme: 'dynamic', weight_block_size: [128, 128] };
const FP8_WEIGHTS = { num_bits: 8, type: 'float', symmetric: true };
const compressed = (format: string, weights: JsonObject): JsonObject => ({
  quant_method: 'compressed-tensors', format, config_groups: { group_0: { targets: ['Linear'], weights } }, ignore: ['lm_head'],
});

/** What config.json of such a folder says, and the type that the weights become. */
function settingsOf(name: string): readonly [quantization: JsonObject, type: string] {
  const [method, second, third, kind] = name.split('.') as [string, string, string, string];
  const bits = Number(second.slice(1));
  const isSymmetric = name.endsWith('.sym');
  if (method === 'gptq') {
    const group = Number(third.slice(1));
    const settings = { quant_method: 'gptq', bits, group_size: group, sym: isSymmetric, desc_act: false, checkpoint_format: 'gptq' };
    const point = bits === 4 && !isSymmetric;
    return [settings, `affine${bits}_${point ? 'point_' : ''}g${group === -1 ? 128 : group}_${isSymmetric || point ? 'f16' : 'f32'}`];
  }
  if (method === 'awq') {
    const group = Number(second.slice(1));
    return [{ quant_method: 'awq', bits: 4, group_size: group, zero_point: true, version: 'gemm' }, `affine4_point_g${group}_f16`];
  }
  if (method === 'fp8') {
    if (second === 'blocks') return [FP8, 'fp8_g128'];
    return [compressed('float-quantized', { ...FP8_WEIGHTS, strategy: second }), 'fp8_g128'];
  }
  const group = third === 'channel' ? {} : { group_size: Number(third.slice(1)) };
  const weights = { num_bits: bits, type: 'int', symmetric: kind === 'sym', strategy: third === 'channel' ? 'channel' : 'group', ...group };
  const types: Record<string, string> = {
    'packed.b4.g32.sym': 'affine4_g32_bf16', 'packed.b4.g128.asym': 'affine4_point_g128_f16', 'packed.b8.channel.sym': 'affine8_g128_f16',
  };
  return [compressed('pack-quantized', weights), types[name]!];
}

describe("packed folders hold the values of their authors' code exactly", () => {
  it.each(casesOf(PACKED).filter((name) => name !== 'gpt_oss'))('%s', async (name) => {
    const [quantization, type] = settingsOf(name);
    const checkpoint = await openPacked(moduleOf(PACKED, name), { quantization_config: quantization });
    expect([...checkpoint.tensors.values()].map((entry) => [entry.name, entry.type])).toEqual([['m.weight', type]]);
    const values = await valuesOfTensor(checkpoint, 'm.weight');
    const expected = f32Of(PACKED, `${name}.values`);
    // Of packed integers, and of blocks, the fixture keeps some rows.
    const cols = checkpoint.tensors.get('m.weight')!.shape[1]!;
    const [first, end] = name === 'fp8.blocks' ? [120, 136] : name.startsWith('fp8') ? [0, 8] : [5, 13];
    const own = values.subarray(first * cols, end * cols);
    expect(differences(own, expected)).toEqual([]);
  });

  it("gpt-oss's blocks", async () => {
    const planes = moduleOf(PACKED, 'gpt_oss');
    const tensors = new Map([['m.down_proj_blocks', planes.get('m.blocks')!], ['m.down_proj_scales', planes.get('m.scales')!]]);
    const checkpoint = await openPacked(tensors, { quantization_config: { quant_method: 'mxfp4' } });
    expect(checkpoint.tensors.get('m.down_proj')).toMatchObject({ type: 'mxfp4', shape: [2, 6, 96] });
    expect(differences(await valuesOfTensor(checkpoint, 'm.down_proj'), f32Of(PACKED, 'gpt_oss.values'))).toEqual([]);
  });
});
