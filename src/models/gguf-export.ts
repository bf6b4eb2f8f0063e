/** What a model's GGUF file says and holds: metadata keys, tensors in order, and the type that each gets. */
import type { WeightSource } from '../graph/executor.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { string, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { TENSOR_TYPES, type WeightType } from '../tensor/tensor-type.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { ARCHITECTURES, architectureOf, skipsOf } from './open-decoder.ts';
import { invertWeights } from './invert-weights.ts';
import { printExpression } from './weight-expression.ts';
import { textPart } from './text-part.ts';
import { filesOf, weightReader } from './weight-reader.ts';
import { bindWeights } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

/** What a whole file can be converted to; q4_k_m is q4_k with q6_k where the precision counts most. */
export const EXPORT_TYPES = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const;
export type ExportType = (typeof EXPORT_TYPES)[number];

/** llama.h `enum llama_ftype`, stored as `general.file_type`. */
const FILE_TYPES: Readonly<Record<ExportType, number>> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, q4_k_m: 15, bf16: 32 };

export interface ExportTensor {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly from: WeightSource | Float32Array;
}

export interface GgufExport {
  readonly config: DecoderConfig;
  /** Settings of the source that are not known, and so not carried over, and what others read otherwise of the file. */
  readonly warnings: readonly string[];
  /** `general.*` and the architecture's own keys; the vocabulary is not among them. */
  readonly metadata: GgufMetadata;
  readonly tensors: readonly ExportTensor[];
}

export interface GgufExportOptions {
  readonly type: ExportType;
  readonly modelName: string;
  /** Default {@link ARCHITECTURES}. */
  readonly architectures?: readonly Architecture[];
}

/**
 * The GGUF form of a safetensors checkpoint. Reads nothing of the tensors.
 * @throws FormatError for an unknown architecture and for missing, extra or misshapen tensors.
 */
export function ggufExport(
  whole: Checkpoint,
  { type, modelName, architectures = ARCHITECTURES }: GgufExportOptions,
): GgufExport {
  const checkpoint = textPart(whole);
  const architecture = architectureOf(checkpoint, architectures);
  const config = architecture.parseConfig(checkpoint);
  const warnings = architecture.checkSettings(checkpoint, config);
  const specs = architecture.weights(config);
  bindWeights(checkpoint, specs, skipsOf(architecture, config));
  const read = weightReader(checkpoint);
  const tensors = ggufTensors(specs, checkpoint.name).map(({ name, shape, from, weights }): ExportTensor => ({
    name,
    shape,
    type: tensorTypeFor({ weights, shape }, type, config),
    from: { ...read(name, from), origin: `${filesOf(checkpoint, from)}: tensor ${printExpression(from)}` },
  }));
  return {
    config,
    warnings: [...warnings, ...(architecture.exportWarnings?.(config) ?? []).map((warning) => `${checkpoint.name}: ${warning}`)],
    metadata: new Map([...generalMetadata(architecture.gguf, type, modelName), ...architecture.metadata(config)]),
    tensors: [...constantTensors(architecture, config), ...tensors],
  };
}

/** The tensors of a GGUF file of these weights, in order, and what they are of a safetensors file's. */
export function ggufTensors(specs: readonly WeightSpec[], where: string) {
  return invertWeights(specs.map(({ id, gguf, safetensors }) => ({ id, stored: gguf, value: safetensors })), where);
}

export function generalMetadata(architecture: string, type: ExportType, modelName: string): GgufMetadata {
  return new Map([
    ['general.architecture', string(architecture)],
    ['general.type', string('model')],
    ['general.name', string(modelName)],
    ['general.file_type', uint32(FILE_TYPES[type])],
    ['general.quantization_version', uint32(2)],
  ]);
}

/** What goes into the graph and not to a device is f32. */
export function constantTensors({ exportedConstants }: Architecture, config: DecoderConfig): readonly ConstantExport[] {
  return [...(exportedConstants?.(config) ?? [])].map(([name, from]) => ({ name, type: 'f32', shape: [from.length], from }));
}

export interface ConstantExport extends ExportTensor {
  readonly from: Float32Array;
}

/**
 * Small matrices that llama.cpp takes as floats: tables whose rows are added to those of the embedding, routers of experts, convolutions of
 * single channels, biases of experts.
 */
const ALWAYS_FLOATS = /^(positions|types|layers\.\d+\.(moe\.router|moe\.shared\.share|.*\.convolution|.*\.bias))$/;

export interface TypedTensor {
  /** Ids of the weights that it holds. */
  readonly weights: readonly string[];
  readonly shape: readonly number[];
}

/**
 * The type of one tensor: the most precise that one of its weights asks for. Vectors stay f32. Rows that are no whole blocks get the
 * next finer type that fits: q8_0 for multiples of 32, else f16.
 */
export function tensorTypeFor({ weights, shape }: TypedTensor, type: ExportType, config: DecoderConfig): WeightType {
  if (shape.length === 1 || weights.some((id) => ALWAYS_FLOATS.test(id))) return 'f32';
  const cols = shape.at(-1)!;
  const wanted = type === 'q4_k_m' ? mixedType(weights, config) : type;
  for (const candidate of [wanted, 'q8_0', 'f16'] as const) if (cols % TENSOR_TYPES[candidate].blockSize === 0) return candidate;
  return 'f16';
}

/** llama.cpp's Q4_K_M: q6_k for the output matrix and, in some layers, for attn_v and ffn_down. */
function mixedType(weights: readonly string[], config: DecoderConfig): WeightType {
  const isPrecise = weights.some((id) => {
    if (id === 'output' || (id === 'embedding' && config.tiedEmbeddings)) return true;
    const match = /^layers\.(\d+)\.(attn\.v|mlp\.down|moe\.down)$/.exec(id);
    return match !== null && isPreciseLayer(Number(match[1]), config.layers);
  });
  return isPrecise ? 'q6_k' : 'q4_k';
}

/** The first and the last eighth of the layers, and every third of those between. */
function isPreciseLayer(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}
