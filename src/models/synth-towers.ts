/** Projectors' files (mmproj) of random weights at the shapes of real towers: keys, names and types as llama.cpp's script has them. */
import { bool, bools, float32, float32s, string, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { elementsOf } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

export interface SynthTensorShape {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly from?: Float32Array | undefined;
}

export interface ProjectorPlan {
  readonly metadata: GgufMetadata;
  readonly tensors: readonly SynthTensorShape[];
  readonly deviation: number;
}

interface TowerShape {
  readonly kind: 'lfm2' | 'qwen3vl_merger';
  readonly name: string;
  readonly dim: number;
  readonly heads: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly tableSide: number;
  readonly outDim: number;
  /** Of LFM2-VL's projector. */
  readonly projectorDim: number;
  /** Of Qwen3-VL. */
  readonly deepLayers: readonly number[];
}

const PATCH = 16;

export const SYNTH_TOWERS = {
  /** SigLIP 2's So400m without its last layer. */
  'lfm2.5-vl-1.6b': {
    kind: 'lfm2', name: 'lfm2.5-vl-1.6b', dim: 1152, heads: 16, ffnDim: 4304, layers: 26, tableSide: 16, outDim: 2048, projectorDim: 2560,
    deepLayers: [],
  },
  'qwen3-vl-2b': {
    kind: 'qwen3vl_merger', name: 'qwen3-vl-2b', dim: 1024, heads: 16, ffnDim: 4096, layers: 24, tableSide: 48, outDim: 2048,
    projectorDim: 4096, deepLayers: [5, 11, 17],
  },
} as const satisfies Readonly<Record<string, TowerShape>>;

/** Gains are ones; biases take both signs. */
function vector(name: string, length: number): SynthTensorShape {
  const isGain = name.endsWith('.weight');
  return { name, type: 'f32', shape: [length], from: Float32Array.from({ length }, (_, i) => (isGain ? 1 : i % 2 === 0 ? 0.1 : -0.1)) };
}

function matrix(name: string, shape: readonly number[], type: WeightType = 'f16'): readonly SynthTensorShape[] {
  return [{ name: `${name}.weight`, type, shape }, vector(`${name}.bias`, shape[0] as number)];
}

function norm(name: string, length: number): readonly SynthTensorShape[] {
  return [vector(`${name}.weight`, length), vector(`${name}.bias`, length)];
}

function layerTensors({ kind, dim, ffnDim }: TowerShape, n: number): readonly SynthTensorShape[] {
  const at = `v.blk.${n}`;
  const heads = kind === 'lfm2'
    ? (['attn_q', 'attn_k', 'attn_v'] as const).flatMap((part) => matrix(`${at}.${part}`, [dim, dim]))
    : matrix(`${at}.attn_qkv`, [3 * dim, dim]);
  return [
    ...norm(`${at}.ln1`, dim), ...heads, ...matrix(`${at}.attn_out`, [dim, dim]),
    ...norm(`${at}.ln2`, dim), ...matrix(`${at}.ffn_up`, [ffnDim, dim]), ...matrix(`${at}.ffn_down`, [dim, ffnDim]),
  ];
}

function tensorsOf(tower: TowerShape): readonly SynthTensorShape[] {
  const { kind, dim, layers, tableSide, outDim, projectorDim, deepLayers } = tower;
  const merged = 4 * dim;
  const patch = matrix('v.patch_embd', [dim, 3, PATCH, PATCH]);
  const second = kind === 'lfm2' ? [] : [{ ...(patch[0] as SynthTensorShape), name: 'v.patch_embd.weight.1' }];
  const projector = kind === 'lfm2'
    ? [...norm('mm.input_norm', merged), ...matrix('mm.1', [projectorDim, merged]), ...matrix('mm.2', [outDim, projectorDim])]
    : [...matrix('mm.0', [merged, merged]), ...matrix('mm.2', [outDim, merged])];
  return [
    ...patch, ...second,
    { name: 'v.position_embd.weight', type: 'f32', shape: [tableSide * tableSide, dim] },
    ...Array.from({ length: layers }, (_, n) => layerTensors(tower, n)).flat(),
    ...norm('v.post_ln', dim), ...projector,
    ...deepLayers.flatMap((n) => [
      ...norm(`v.deepstack.${n}.norm`, merged), ...matrix(`v.deepstack.${n}.fc1`, [merged, merged]),
      ...matrix(`v.deepstack.${n}.fc2`, [outDim, merged]),
    ]),
  ];
}

/** What the projector's file holds. */
export function projectorPlan(tower: TowerShape): ProjectorPlan {
  const { kind, name, dim, heads, ffnDim, layers, tableSide, outDim, deepLayers } = tower;
  const vision = (key: string) => `clip.vision.${key}`;
  const half = Float32Array.of(0.5, 0.5, 0.5);
  const tensors = tensorsOf(tower);
  return {
    deviation: 1 / Math.sqrt(dim),
    tensors,
    metadata: new Map([
      ['general.architecture', string('clip')], ['general.type', string('mmproj')], ['general.name', string(`${name} with random weights`)],
      ['general.file_type', uint32(1)], ['general.quantization_version', uint32(2)],
      ['general.parameter_count', uint32(tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0))],
      ['clip.has_vision_encoder', bool(true)], ['clip.projector_type', string(kind)], ['clip.use_gelu', bool(true)],
      [vision('image_size'), uint32(tableSide * PATCH)], [vision('patch_size'), uint32(PATCH)], [vision('embedding_length'), uint32(dim)],
      [vision('feed_forward_length'), uint32(ffnDim)], [vision('block_count'), uint32(layers)],
      [vision('attention.head_count'), uint32(heads)], [vision('attention.layer_norm_epsilon'), float32(1e-6)],
      [vision('projection_dim'), uint32(outDim)], [vision('image_mean'), float32s(half)], [vision('image_std'), float32s(half)],
      ...(kind === 'lfm2'
        ? [[vision('projector.scale_factor'), uint32(2)] as const]
        : [
          [vision('spatial_merge_size'), uint32(2)] as const,
          [vision('is_deepstack_layers'), bools(Array.from({ length: layers }, (_, n) => deepLayers.includes(n)))] as const,
        ]),
    ]),
  };
}
