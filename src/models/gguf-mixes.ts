/**
 * The type that each tensor of a GGUF file gets: what llama.cpp's `llama-quantize` calls a file type is a mix, with more bits where they
 * count (src/llama-quant.cpp, `llama_tensor_get_type`; without an importance matrix). A name of a plain type (q4_0) is that type for every
 * matrix, embedding and output included, as its option `--pure` gives it.
 */
import { TENSOR_TYPES } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import type { DecoderConfig } from './decoder-config.ts';

/** What a whole file can be written as, and llama.h's number of it, `enum llama_ftype`, stored as `general.file_type`. */
const FILE_TYPES = {
  f32: 0, f16: 1, bf16: 32, q8_0: 7, q4_0: 2, q4_1: 3, q5_0: 8, q5_1: 9,
  q2_k: 10, q3_k_s: 11, q3_k_m: 12, q3_k_l: 13, q4_k_s: 14, q4_k_m: 15, q5_k_s: 16, q5_k_m: 17, q6_k: 18,
  iq4_nl: 25, iq4_xs: 30, mxfp4: 38, mxfp4_moe: 38,
} as const;

export type ExportType = keyof typeof FILE_TYPES;
export const EXPORT_TYPES = Object.keys(FILE_TYPES) as readonly ExportType[];

export function fileTypeNumber(type: ExportType): number {
  return FILE_TYPES[type];
}

export interface TypedTensor {
  readonly name: string;
  /** Ids of the weights that it holds. */
  readonly weights: readonly string[];
  readonly shape: readonly number[];
}

/** What the choice of a type looks at beyond the tensor. */
interface Place {
  readonly layers: number;
  /** The layer, and its number among those with a tensor of this kind. */
  readonly layer: number;
  readonly attention: number;
  readonly attentions: number;
  /** Heads of queries for each of keys. */
  readonly group: number;
}

type Kind = 'value' | 'down' | 'attentionOutput' | 'other';

/** A mix: the type of most matrices, and of some kinds another. */
interface Mix {
  readonly base: WeightType;
  readonly of?: (kind: Kind, place: Place) => WeightType | undefined;
}

/** The first and the last eighth of the layers, and every third of those between. */
function isPreciseLayer(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** Q6_K for values and down projections of precise layers (Q4_K_M, Q5_K_M). */
function moreBits(kind: Kind, { attention, attentions, layer, layers }: Place): WeightType | undefined {
  if (kind === 'value') return isPreciseLayer(attention, attentions) ? 'q6_k' : undefined;
  return kind === 'down' && isPreciseLayer(layer, layers) ? 'q6_k' : undefined;
}

/** Q5_K for values where four heads or more share them, and for the first down projections (IQ4_NL, IQ4_XS). */
function iq4Bits(kind: Kind, { group, layer, layers }: Place): WeightType | undefined {
  if (kind === 'value') return group >= 4 ? 'q5_k' : undefined;
  return kind === 'down' && layer < Math.floor(layers / 8) ? 'q5_k' : undefined;
}

const MIXES: Partial<Record<ExportType, Mix>> = {
  q2_k: {
    base: 'q2_k',
    of: (kind, { group }) => {
      if (kind === 'other') return undefined;
      return kind === 'value' && group >= 4 ? 'q4_k' : 'q3_k';
    },
  },
  q3_k_s: { base: 'q3_k' },
  q3_k_m: {
    base: 'q3_k',
    of: (kind, { attention, layer, layers }) => {
      if (kind === 'value') return attention < 2 ? 'q5_k' : 'q4_k';
      if (kind === 'down') return layer < Math.floor(layers / 16) ? 'q5_k' : 'q4_k';
      return kind === 'attentionOutput' ? 'q4_k' : undefined;
    },
  },
  q3_k_l: { base: 'q3_k', of: (kind) => (kind === 'other' ? undefined : 'q5_k') },
  q4_k_s: {
    base: 'q4_k',
    of: (kind, { attention, layer, layers }) =>
      (kind === 'value' && attention < 4) || (kind === 'down' && layer < Math.floor(layers / 8)) ? 'q5_k' : undefined,
  },
  q4_k_m: { base: 'q4_k', of: moreBits },
  q5_k_s: { base: 'q5_k' },
  q5_k_m: { base: 'q5_k', of: moreBits },
  q6_k: { base: 'q6_k' },
  iq4_nl: { base: 'iq4_nl', of: iq4Bits },
  iq4_xs: { base: 'iq4_xs', of: iq4Bits },
};

/** What takes the place of a type whose blocks do not fit the rows. */
const SMALLER_BLOCKS: Partial<Record<WeightType, WeightType>> = {
  q2_k: 'q4_0', q3_k: 'q4_0', q4_k: 'q5_0', q5_k: 'q5_1', q6_k: 'q8_0', iq4_xs: 'iq4_nl',
};

/**
 * Small matrices that llama.cpp takes as floats: tables whose rows are added to those of the embedding, routers of experts, convolutions of
 * single channels, biases of experts. Convolutions of conformers, and the biases of their attention, which are read as vectors.
 */
const ALWAYS_FLOATS = new RegExp(
  '^(positions|types|layers\\.\\d+\\.(moe\\.router|moe\\.shared\\.share|.*\\.convolution|.*\\.bias)' +
    '|\\w+\\.layers\\.\\d+\\.(.*\\.convolution|conv\\.time|attn\\.(content|position)Bias)|\\w+\\.halving\\.\\d+)$',
);

/** Types of all tensors of a file, in their order. Vectors stay f32; rows of no whole blocks get f16 at last. */
export function tensorTypes(tensors: readonly TypedTensor[], type: ExportType, config: DecoderConfig): WeightType[] {
  const attentionLayers = tensors.filter(({ name }) => kindOf(name) === 'value').map(({ name }) => layerOf(name));
  const ranks = new Map([...attentionLayers].sort((a, b) => a - b).map((layer, rank) => [layer, rank]));
  return tensors.map((tensor) => {
    const { name, shape, weights } = tensor;
    if (shape.length === 1 || weights.some((id) => ALWAYS_FLOATS.test(id))) return 'f32';
    const layer = layerOf(name);
    const place: Place = {
      layers: config.layers, layer, attention: ranks.get(layer) ?? 0, attentions: attentionLayers.length,
      group: groupOfFirstLayer(config),
    };
    return fitting(wantedType(tensor, type, { place, isTied: config.tiedEmbeddings }), shape.at(-1) as number);
  });
}

/** What llama.cpp takes for all layers; the first layer of LFM2 has no heads of keys in its files, which is 0 there. */
function groupOfFirstLayer({ architecture, heads, kvHeads }: DecoderConfig): number {
  return architecture.startsWith('lfm2') ? 0 : heads / kvHeads;
}

interface Wanted {
  readonly place: Place;
  readonly isTied: boolean;
}

function wantedType({ name, shape }: TypedTensor, type: ExportType, { place, isTied }: Wanted): WeightType {
  const isTable = name === 'token_embd.weight' || name === 'per_layer_token_embd.weight';
  const isOutput = name === 'output.weight' || (isTied && isTable);
  if (type === 'mxfp4_moe') return !isOutput && shape.length > 2 ? 'mxfp4' : 'q8_0';
  if (type === 'mxfp4') return isOutput ? 'q8_0' : 'mxfp4';
  const mix = MIXES[type];
  if (mix === undefined) return type as WeightType;
  // llama.cpp asks whether the base type's blocks fit before it asks for Q6_K.
  if (isOutput) return (shape.at(-1) as number) % TENSOR_TYPES[mix.base].blockSize === 0 ? 'q6_k' : 'q8_0';
  if (isTable) return mix.base;
  return mix.of?.(kindOf(name), place) ?? mix.base;
}

function fitting(type: WeightType, cols: number): WeightType {
  const fits = (candidate: WeightType | undefined) => candidate !== undefined && cols % TENSOR_TYPES[candidate].blockSize === 0;
  if (fits(type)) return type;
  const smaller = SMALLER_BLOCKS[type];
  return fits(smaller) ? (smaller as WeightType) : 'f16';
}

function kindOf(name: string): Kind {
  if (/attn_(qkv|v)\.weight$/.test(name)) return 'value';
  if (name.includes('ffn_down')) return 'down';
  return name.endsWith('attn_output.weight') ? 'attentionOutput' : 'other';
}

function layerOf(name: string): number {
  return Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0);
}
