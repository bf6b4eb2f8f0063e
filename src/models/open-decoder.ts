/** From a checkpoint to a graph and the weights that it needs. */
import type { WeightSource } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { nearestNames } from '../tensor/near-names.ts';
import type { Architecture, ConstantTensor, PerLayerTable } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { EMBEDDING_SKIPS, parseEmbeddingHead } from './embedding-head.ts';
import { bert } from './bert.ts';
import { embeddingGemma } from './embedding-gemma.ts';
import { gemma3 } from './gemma3.ts';
import { gemma4 } from './gemma4.ts';
import { gptOss } from './gpt-oss.ts';
import { lfm2 } from './lfm2.ts';
import { lfm2Audio } from './lfm2-audio.ts';
import { lfm2Moe } from './lfm2-moe.ts';
import { llama } from './llama.ts';
import { ministral3 } from './ministral3.ts';
import { mistral } from './mistral.ts';
import { moonshine } from './moonshine.ts';
import { nomicBert } from './nomic-bert.ts';
import { olmo3 } from './olmo3.ts';
import { PARAKEETS } from './parakeet.ts';
import { phi3 } from './phi3.ts';
import { quantizeWeights } from './quantize-weights.ts';
import type { QuantizeType } from './quantize-weights.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { qwen3Vl } from './qwen3-vl.ts';
import { qwen35 } from './qwen3-5.ts';
import { qwen35Moe } from './qwen3-5-moe.ts';
import { smollm3 } from './smollm3.ts';
import { scaleSkips, tensorScalesOf, withTensorScales } from './tensor-scales.ts';
import type { TensorScale } from './tensor-scales.ts';
import { textPart } from './text-part.ts';
import { unmetNeedOf } from './unsupported-architectures.ts';
import type { VisionTower } from './vision.ts';
import { isVisionTensor } from './vision-part.ts';
import { knownTower, openTower } from './vision-towers.ts';
import { bindWeights, exactNames } from './weight-spec.ts';
import type { SkipRule } from './weight-spec.ts';
import { whisper } from './whisper.ts';
import { zeroBiasSkips } from './zero-biases.ts';

export const ARCHITECTURES: readonly Architecture[] = [
  llama, mistral, ministral3, qwen2, qwen3, qwen3Moe, qwen3Vl, qwen35, qwen35Moe, gptOss, smollm3, phi3, embeddingGemma, gemma3, gemma4,
  olmo3, lfm2, lfm2Moe, bert, nomicBert, moonshine, whisper, lfm2Audio, ...PARAKEETS,
];

export interface DecoderModel {
  readonly config: DecoderConfig;
  readonly model: ModelGraphs;
  /** By the ids that the graph's ops name. */
  readonly weights: ReadonlyMap<string, WeightSource>;
  /** What the host reads rows of, step by step: not among `weights`, and the checkpoint must stay open for it. */
  readonly hostTable?: WeightSource | undefined;
  /** Tensors of the file that no op reads, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** Of a model that sees. */
  readonly vision?: VisionTower | undefined;
  /** What a user should know of settings that are not known here. */
  readonly warnings: readonly string[];
}

export interface OpenDecoderOptions extends ReadOptions {
  /** Default {@link ARCHITECTURES}. */
  readonly architectures?: readonly Architecture[];
  /** Most positions of a sequence, given what the model was trained for. Default: those. */
  readonly contextLength?: ((ofModel: number) => number) | undefined;
  /** Default `device`. */
  readonly perLayerTable?: PerLayerTable | undefined;
  /** The type that weights of floats are quantised to as they are read. Default: none. */
  readonly quantize?: QuantizeType | undefined;
  /** Most patches of a picture. Default: those of a tile, or of a family without tiles `usualPatches`, by default 12,288. */
  readonly mostPatches?: number | undefined;
  readonly usualPatches?: number | undefined;
}

/** Whether a checkpoint, or its text part, is of an architecture that is known. */
export function isSupported(checkpoint: Checkpoint): boolean {
  const { format, architecture } = textPart(checkpoint);
  return ARCHITECTURES.some(({ gguf, safetensors }) => (format === 'gguf' ? gguf === architecture : safetensors.includes(architecture)));
}

/** @throws FormatError for a checkpoint of no architecture among them, naming what it needs, or those that it may be meant to be */
export function architectureOf(checkpoint: Checkpoint, architectures: readonly Architecture[]): Architecture {
  const { format, name, architecture } = checkpoint;
  const namesOf = (one: Architecture) => (format === 'gguf' ? [one.gguf] : one.safetensors);
  const found = architectures.find((one) => namesOf(one).includes(architecture) && (one.isOfFamily?.(checkpoint) ?? true));
  if (found !== undefined) return found;
  const need = unmetNeedOf(architecture);
  const because = need === undefined ? '' : `: it needs ${need}, which is still to come`;
  const known = [...new Set(architectures.flatMap(namesOf))];
  const near = need === undefined ? nearestNames(architecture, known) : [];
  const nearest = near.length === 0 ? '' : ` The nearest known: ${near.join(', ')}.`;
  const shown = JSON.stringify(architecture.slice(0, 80));
  throw new FormatError(`${name}: architecture ${shown} is not supported${because}; supported: ${known.join(', ')}.${nearest}`);
}

/**
 * @throws FormatError for an unknown architecture, settings that contradict each other, missing, extra or misshapen tensors, and types
 * without kernels; InputError for a table left to the host where there is none, and for weights that are quantised already
 */
export async function openDecoder(whole: Checkpoint, options: OpenDecoderOptions = {}): Promise<DecoderModel> {
  const { architectures = ARCHITECTURES, contextLength = (ofModel) => ofModel } = options;
  const checkpoint = textPart(whole);
  const architecture = architectureOf(checkpoint, architectures);
  const config = architecture.parseConfig(checkpoint);
  const { tower, problem } = visionOf(whole, architecture, config, options);
  const warnings = [...architecture.checkSettings(checkpoint, config), ...(problem === undefined ? [] : [problem])];
  const constants = await readConstants(checkpoint, architecture.constants?.(config) ?? [], options);
  const tableId = hostTableOf(architecture, config, options.perLayerTable);
  const specs = architecture.weights(config);
  const scales = tensorScalesOf(checkpoint, specs);
  const skips = [
    ...skipsOf(architecture, config), ...[...constants.keys()].map(constantSkip), ...scaleSkips(scales),
    ...(await zeroBiasSkips(checkpoint, specs, options)),
  ];
  const { weights: stored, skipped } = bindWeights(checkpoint, specs, skips);
  const { quantize } = options;
  const all = quantize === undefined ? stored : quantizeWeights(stored, { type: quantize, specs, config, where: checkpoint.name });
  const weights = new Map([...all].filter(([id]) => id !== tableId));
  const hostTable = tableId === undefined ? undefined : all.get(tableId);
  const { perLayerTable } = options;
  const vision = tower?.tower;
  const plain = architecture.graphs(config, { contextLength: contextLength(config.contextLength), constants, perLayerTable, vision });
  const model = withTensorScales(plain, await readTensorScales(scales, options), checkpoint.name);
  if (model.encoder === undefined && parseEmbeddingHead(checkpoint) !== undefined)
    throw new FormatError(`${checkpoint.name}: it is a model of embeddings, which ${checkpoint.architecture} has no encoder for.`);
  if (tower === undefined) return { config, weights, hostTable, skipped, warnings, model };
  return {
    config, hostTable, warnings, model, vision,
    weights: new Map([...weights, ...tower.weights]),
    skipped: [...skipped.filter(({ name }) => !isVisionTensor(name)), ...tower.skipped],
  };
}

/** Patches of 16 x 16 pixels of a picture of 2,048 x 1,536. */
const MOST_PATCHES = 12_288;

/** {@link openVision}, or why the model goes without the projector beside it, which nobody named and which may be half a download. */
function visionOf(
  whole: Checkpoint, ...of: [Architecture, DecoderConfig, OpenDecoderOptions]
): { readonly tower?: ReturnType<typeof openVision>; readonly problem?: string } {
  const leftAlone = (why: string) => `the file of a tower beside the model was left alone, so that it sees nothing: ${why}`;
  const { projector, projectorProblem } = whole;
  if (projectorProblem !== undefined) return { problem: leftAlone(projectorProblem) };
  try {
    return { tower: openVision(whole, ...of) };
  } catch (error) {
    if (!(error instanceof FormatError) || projector === undefined || projector.isNamed) throw error;
    return { problem: leftAlone(error.message) };
  }
}

/**
 * The tower of a model that sees, and its weights; undefined for a model that does not, and for a folder with a tower that is not known.
 * @throws FormatError for a projector that does not belong to the model
 */
function openVision(
  whole: Checkpoint, architecture: Architecture, { dim }: DecoderConfig,
  { mostPatches, usualPatches = MOST_PATCHES }: OpenDecoderOptions,
) {
  const { projector } = whole;
  const found = knownTower(whole);
  if (found === undefined) return undefined;
  const { checkpoint } = found;
  const tower = openTower(found, { outDim: dim, mostPatches, usualPatches });
  const isOwn = architecture.sees?.includes(tower.info.family) === true;
  const width = checkpoint.tensors.get('mm.2.weight')?.shape[0] ?? dim;
  // One that lies beside a model may be of another.
  if ((!isOwn || width !== dim) && projector?.isNamed !== true) return undefined;
  if (!isOwn)
    throw new FormatError(
      `${checkpoint.name}: a projector of the kind ${JSON.stringify(found.kind)} does not belong to ${whole.name}, a model of ` +
        `${whole.architecture}.`,
    );
  if (width !== dim)
    throw new FormatError(
      `${checkpoint.name} does not belong to ${whole.name}: the projector makes embeddings of ${width} values, the model's have ${dim}.`,
    );
  return { tower, ...bindWeights(checkpoint, tower.weights, tower.skips) };
}

/** The id of the table that the host is to read; undefined where the device has all. @throws InputError */
function hostTableOf(architecture: Architecture, config: DecoderConfig, wanted: PerLayerTable = 'device'): string | undefined {
  if (wanted === 'device') return undefined;
  if (wanted !== 'host') throw new InputError(`perLayerTable must be "device" or "host", found ${JSON.stringify(wanted satisfies never)}.`);
  const id = architecture.perLayerTable?.(config);
  if (id !== undefined) return id;
  throw new InputError(
    `perLayerTable "host" is for models with a table of embeddings for each layer (Gemma 4's small ones); this one ` +
      `(${config.architecture}) has none: leave it out.`,
  );
}

/** Tensors that a model's file may hold and no op reads. */
export function skipsOf({ skips }: Architecture, { embedding }: DecoderConfig): readonly SkipRule[] {
  return embedding === undefined ? skips : [...EMBEDDING_SKIPS, ...skips];
}

function constantSkip(name: string): SkipRule {
  return { pattern: exactNames([name]), reason: 'read into the rotary frequencies' };
}

async function readConstants({ tensors, format }: Checkpoint, wanted: readonly ConstantTensor[], options?: ReadOptions) {
  const constants = new Map<string, Float32Array>();
  for (const { name, length } of format === 'gguf' ? wanted : []) {
    const entry = tensors.get(name);
    if (entry !== undefined) constants.set(name, await readConstant(entry, length, options));
  }
  return constants;
}

/** By the ids of weights. @throws FormatError for one of another shape, as those of experts are, and for a weight of several */
async function readTensorScales(scales: readonly TensorScale[], options: ReadOptions): Promise<ReadonlyMap<string, number>> {
  const read = new Map<string, number>();
  for (const { entry, weightIds } of scales) {
    const [value] = await readConstant(entry, 1, options);
    for (const id of weightIds) {
      if (read.has(id)) throw new FormatError(`${entry.fileName}: expected one scale of ${id}, found ${entry.name} beside another.`);
      read.set(id, value as number);
    }
  }
  return read;
}

async function readConstant(entry: TensorEntry, length: number, options?: ReadOptions): Promise<Float32Array> {
  if (entry.type !== 'f32' || entry.shape.length !== 1 || entry.shape[0] !== length) {
    throw new FormatError(
      `${entry.fileName}: expected ${entry.name} to be f32 [${length}], found ${entry.type} [${entry.shape.join(', ')}].`,
    );
  }
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes, options);
  const values = new Float32Array(length);
  decodeRows('f32', bytes, values);
  const bad = values.findIndex((value) => !(Number.isFinite(value) && value > 0));
  if (bad >= 0) throw new FormatError(`${entry.fileName}: ${entry.name}[${bad}] must be a number above 0, found ${values[bad]}.`);
  return values;
}
