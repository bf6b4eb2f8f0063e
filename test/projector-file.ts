/**
 * The mmproj file of a golden, as llama.cpp's conversion/qwen3vl.py and conversion/lfm2.py write it: names, shapes and bytes of all tensors
 * were compared with those scripts' own files of the same goldens.
 */
import { writeFileSync } from 'node:fs';
import { memorySink } from '../src/files/byte-sink.ts';
import { GgufWriter } from '../src/files/gguf-writer.ts';
import { bool, bools, float32, float32s, string, uint32 } from '../src/tensor/gguf-value.ts';
import type { GgufMetadata } from '../src/tensor/gguf-value.ts';
import { f32Of, readFixtureTensors } from './fixture-tensors.ts';
import type { VisionGolden, VisionGoldenName } from './vision-golden.ts';

interface Named {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const PATCH = 8;
const AREA = PATCH * PATCH;

const LFM2: readonly (readonly [RegExp, string])[] = [
  [/^model\.vision_tower\.embeddings\.patch_embedding/, 'v.patch_embd'],
  [/^model\.vision_tower\.embeddings\.position_embedding/, 'v.position_embd'],
  [/^model\.vision_tower\.post_layernorm/, 'v.post_ln'],
  [/^model\.vision_tower\.encoder\.layers\.(\d+)\.layer_norm(\d)/, 'v.blk.$1.ln$2'],
  [/^model\.vision_tower\.encoder\.layers\.(\d+)\.self_attn\.out_proj/, 'v.blk.$1.attn_out'],
  [/^model\.vision_tower\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj/, 'v.blk.$1.attn_$2'],
  [/^model\.vision_tower\.encoder\.layers\.(\d+)\.mlp\.fc1/, 'v.blk.$1.ffn_up'],
  [/^model\.vision_tower\.encoder\.layers\.(\d+)\.mlp\.fc2/, 'v.blk.$1.ffn_down'],
  [/^model\.multi_modal_projector\.layer_norm/, 'mm.input_norm'],
  [/^model\.multi_modal_projector\.linear_(\d)/, 'mm.$1'],
];

const QWEN: readonly (readonly [RegExp, string])[] = [
  [/^model\.visual\.patch_embed\.proj/, 'v.patch_embd'],
  [/^model\.visual\.pos_embed/, 'v.position_embd'],
  [/^model\.visual\.blocks\.(\d+)\.norm(\d)/, 'v.blk.$1.ln$2'],
  [/^model\.visual\.blocks\.(\d+)\.attn\.qkv/, 'v.blk.$1.attn_qkv'],
  [/^model\.visual\.blocks\.(\d+)\.attn\.proj/, 'v.blk.$1.attn_out'],
  [/^model\.visual\.blocks\.(\d+)\.mlp\.linear_fc1/, 'v.blk.$1.ffn_up'],
  [/^model\.visual\.blocks\.(\d+)\.mlp\.linear_fc2/, 'v.blk.$1.ffn_down'],
  [/^model\.visual\.merger\.norm/, 'v.post_ln'],
  [/^model\.visual\.merger\.linear_fc1/, 'mm.0'],
  [/^model\.visual\.merger\.linear_fc2/, 'mm.2'],
  // The golden's layers with DeepStack are its first ones.
  [/^model\.visual\.deepstack_merger_list\.(\d+)\.norm/, 'v.deepstack.$1.norm'],
  [/^model\.visual\.deepstack_merger_list\.(\d+)\.linear_fc(\d)/, 'v.deepstack.$1.fc$2'],
];

/** Rows of patches as [colour, pixels]: LFM2-VL's are [pixels, colour]; Qwen's of two times become a tensor a time. */
function patchTensors({ name, shape, values }: Named, isLfm2: boolean): readonly Named[] {
  const dim = shape[0] as number;
  const made = (from: (row: number, colour: number, pixel: number) => number) =>
    Float32Array.from({ length: dim * 3 * AREA }, (_, i) => values[from(Math.floor(i / (3 * AREA)), Math.floor(i / AREA) % 3, i % AREA)]!);
  const own = [dim, 3, PATCH, PATCH];
  if (isLfm2) return [{ name, shape: own, values: made((row, colour, pixel) => (row * AREA + pixel) * 3 + colour) }];
  return [0, 1].map((time) => ({
    name: time === 0 ? name : `${name}.1`, shape: own, values: made((row, colour, pixel) => ((row * 3 + colour) * 2 + time) * AREA + pixel),
  }));
}

function tensorsOf(name: VisionGoldenName, { folder }: VisionGolden): readonly Named[] {
  const tensors = readFixtureTensors(`${folder}/model.safetensors`);
  const isLfm2 = name === 'lfm2_vl';
  return [...tensors].flatMap(([stored, { shape }]): readonly Named[] => {
    const rule = (isLfm2 ? LFM2 : QWEN).find(([pattern]) => pattern.test(stored));
    if (rule === undefined) return [];
    const own = { name: stored.replace(...rule), shape, values: f32Of(tensors, stored) };
    return own.name === 'v.patch_embd.weight' ? patchTensors(own, isLfm2) : [own];
  });
}

function keysOf(name: VisionGoldenName): GgufMetadata {
  const isLfm2 = name === 'lfm2_vl';
  const layers = name === 'qwen3_vl' ? 3 : 2;
  const vision = (key: string) => `clip.vision.${key}`;
  const half = Float32Array.of(0.5, 0.5, 0.5);
  return new Map([
    ['general.architecture', string('clip')], ['general.type', string('mmproj')], ['clip.has_vision_encoder', bool(true)],
    ['clip.projector_type', string(isLfm2 ? 'lfm2' : 'qwen3vl_merger')], ['clip.use_gelu', bool(true)],
    [vision('projection_dim'), uint32(64)], [vision('image_size'), uint32(48)], [vision('patch_size'), uint32(PATCH)],
    [vision('embedding_length'), uint32(isLfm2 ? 48 : 32)], [vision('feed_forward_length'), uint32(96)],
    [vision('block_count'), uint32(layers)], [vision('attention.head_count'), uint32(isLfm2 ? 4 : 2)],
    [vision('attention.layer_norm_epsilon'), float32(1e-6)], [vision('image_mean'), float32s(half)], [vision('image_std'), float32s(half)],
    isLfm2 ? [vision('projector.scale_factor'), uint32(2)] : [vision('spatial_merge_size'), uint32(2)],
    ...(name === 'qwen3_vl' ? [[vision('is_deepstack_layers'), bools([true, true, false])] as const] : []),
  ]);
}

/** @param changed keys in place of the file's own */
export async function writeProjector(path: string, name: VisionGoldenName, golden: VisionGolden, changed?: GgufMetadata): Promise<void> {
  const tensors = tensorsOf(name, golden);
  const sink = memorySink(path);
  const metadata = new Map([...keysOf(name), ...(changed ?? [])]);
  const writer = await GgufWriter.open(sink, { metadata, tensors: tensors.map((own) => ({ ...own, type: 'f32' })) });
  for (const { name: own, values } of tensors) await writer.write(own, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  await writer.close();
  writeFileSync(path, sink.bytes());
}
