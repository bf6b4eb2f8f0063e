/**
 * How a model of embeddings makes one of a text's states: pooling and dense layers, as sentence-transformers' `modules.json` or GGUF's
 * `pooling_type` says it. A file that says neither is of a model that predicts tokens.
 */
import type { Pooling } from '../graph/model-graphs.ts';
import type { Checkpoint, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { parseModules } from '../tensor/sentence-modules.ts';
import type { SentenceModule } from '../tensor/sentence-modules.ts';
import { jsonBoolean, jsonNumber, shownJson } from './config-fields.ts';
import { tensorSpec } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** A product with a matrix [outWidth, inWidth], behind the final norm. */
export interface DenseLayer {
  /** Before `.weight` and `.bias`. */
  readonly names: { readonly gguf: string; readonly safetensors: string };
  readonly inWidth: number;
  readonly outWidth: number;
  readonly hasBias: boolean;
}

export interface EmbeddingHead {
  readonly pooling: Pooling;
  /** Without activations, so that they may come before the mean of states as well as behind it. */
  readonly dense: readonly DenseLayer[];
}

/** What a decoder has that embeddings do not need. */
export const EMBEDDING_SKIPS: readonly SkipRule[] = [{ pattern: /^(lm_head|output)\.weight$/, reason: 'embeddings need no output matrix' }];

/**
 * Undefined for a file that does not say how its states are pooled.
 * @throws FormatError for poolings and modules that are not known
 */
export function parseEmbeddingHead(checkpoint: Checkpoint): EmbeddingHead | undefined {
  return checkpoint.format === 'gguf' ? ggufHead(checkpoint) : sentenceHead(checkpoint);
}

/** @throws FormatError for a file that does not say how its states are pooled, beside what {@link parseEmbeddingHead} throws */
export function requiredEmbeddingHead(checkpoint: Checkpoint): EmbeddingHead {
  const head = parseEmbeddingHead(checkpoint);
  if (head !== undefined) return head;
  const missing = checkpoint.format === 'gguf' ? `${checkpoint.architecture}.pooling_type` : 'modules.json';
  throw new FormatError(`${checkpoint.name}: expected ${missing}, which says how states become an embedding, found none.`);
}

/** Weights of the dense layers. */
export function denseSpecs(head: EmbeddingHead | undefined): WeightSpec[] {
  return (head?.dense ?? []).flatMap(({ names, inWidth, outWidth, hasBias }, i) => {
    const spec = (id: string, suffix: string, shape: readonly number[]) =>
      tensorSpec(id, shape, { gguf: `${names.gguf}.${suffix}`, safetensors: `${names.safetensors}.${suffix}` });
    const weight = spec(`dense.${i}`, 'weight', [outWidth, inWidth]);
    return hasBias ? [weight, spec(`dense.${i}.bias`, 'bias', [outWidth])] : [weight];
  });
}

/** Width of the embeddings of a model with states of width `dim`. */
export function embeddingWidth(head: EmbeddingHead, dim: number): number {
  return head.dense.at(-1)?.outWidth ?? dim;
}

// GGUF. llama.h `enum llama_pooling_type`; 0 is none, and 4 ranks by a head of its own.

const GGUF_POOLINGS: readonly (readonly [Pooling, number])[] = [['mean', 1], ['cls', 2], ['last', 3]];
/** llama.cpp's names of dense layers, in order. */
const GGUF_DENSE = ['dense_2', 'dense_3'];

function ggufHead({ metadata, architecture, name, tensors }: Checkpoint): EmbeddingHead | undefined {
  const type = metadataNumber(metadata, `${architecture}.pooling_type`, name);
  const pooling = GGUF_POOLINGS.find(([, number]) => number === type)?.[0];
  if (pooling === undefined) {
    if (type === undefined || type === 0) return undefined;
    const ranks = ': a head that ranks is not supported. Make a file of the folder of Qwen3-Reranker with ingot convert';
    throw new FormatError(
      `${name}: ${architecture}.pooling_type must be 0 (none), 1 (mean), 2 (cls) or 3 (last), found ${type}${type === 4 ? ranks : ''}.`,
    );
  }
  const dense = GGUF_DENSE.flatMap((gguf): DenseLayer[] => {
    const [outWidth, inWidth] = tensors.get(`${gguf}.weight`)?.shape ?? [];
    if (outWidth === undefined || inWidth === undefined) return [];
    for (const [suffix, width] of [['in', inWidth], ['out', outWidth]] as const) {
      const key = `${architecture}.${gguf}_feat_${suffix}`;
      const said = metadataNumber(metadata, key, name) ?? width;
      if (said !== width) throw new FormatError(`${name}: ${key} must be ${width}, as ${gguf}.weight has it, found ${said}.`);
    }
    return [{ names: { gguf, safetensors: gguf }, inWidth, outWidth, hasBias: tensors.has(`${gguf}.bias`) }];
  });
  return { pooling, dense };
}

/** GGUF's keys of a head, under the name of its architecture. */
export function embeddingMetadata(architecture: string, head: EmbeddingHead | undefined): GgufMetadata {
  if (head === undefined) return new Map();
  const number = GGUF_POOLINGS.find(([pooling]) => pooling === head.pooling)?.[1] as number;
  const widths = head.dense.flatMap(({ names: { gguf }, inWidth, outWidth }) => [
    [`${architecture}.${gguf}_feat_in`, uint32(inWidth)] as const,
    [`${architecture}.${gguf}_feat_out`, uint32(outWidth)] as const,
  ]);
  return new Map([[`${architecture}.pooling_type`, uint32(number)], ...widths]);
}

// sentence-transformers.

function sentenceHead({ assets, name, config }: Checkpoint): EmbeddingHead | undefined {
  const list = assets.get('modules.json');
  if (list === undefined) return undefined;
  const modules = parseModules(list, `${name}: modules.json`);
  // A reranker, which is a decoder (text/score-tokens.ts).
  if (modules.map(({ type }) => type).join(' ') === 'Transformer LogitScore') return undefined;
  const known = ['Transformer', 'Pooling', 'Dense', 'Normalize'];
  const other = modules.find(({ type }) => !known.includes(type));
  if (other !== undefined)
    throw new FormatError(`${name}: modules.json may hold ${known.join(', ')}, found ${JSON.stringify(other.type.slice(0, 80))}.`);
  const order = modules.map(({ type }) => type).join(' ');
  if (!/^Transformer Pooling( Dense)*( Normalize)?$/.test(order))
    throw new FormatError(`${name}: modules.json must hold Transformer, Pooling, any Dense and Normalize, in this order; found ${order}.`);
  const settings = ({ path }: SentenceModule) => {
    const text = assets.get(`${path}/config.json`);
    if (text === undefined) throw new FormatError(`${name}: expected ${path}/config.json, which modules.json names, found none.`);
    return parseJsonObject(text, `${name}: ${path}/config.json`);
  };
  const pooling = modules.find(({ type }) => type === 'Pooling') as SentenceModule;
  const dense = modules.filter(({ type }) => type === 'Dense');
  if (dense.length > GGUF_DENSE.length)
    throw new FormatError(`${name}: modules.json has ${dense.length} Dense layers; at most ${GGUF_DENSE.length} are taken.`);
  return {
    pooling: sentencePooling(settings(pooling), config?.['hidden_size'] ?? config?.['n_embd'], `${name}: ${pooling.path}/config.json`),
    dense: dense.map((module, i) => denseLayer(settings(module), { path: module.path, gguf: GGUF_DENSE[i] as string, where: name })),
  };
}

/** Older files have a switch for each mode, newer ones the modes' names. */
const SWITCHES: Readonly<Record<string, Pooling>> = {
  pooling_mode_cls_token: 'cls', pooling_mode_mean_tokens: 'mean', pooling_mode_lasttoken: 'last',
};
const MODES: Readonly<Record<string, Pooling>> = { cls: 'cls', mean: 'mean', lasttoken: 'last' };

/** `dim`: width of the states, where config.json says it. */
function sentencePooling(settings: JsonObject, dim: JsonValue | undefined, where: string): Pooling {
  for (const key of ['word_embedding_dimension', 'embedding_dimension']) {
    const width = jsonNumber(settings, key, where);
    if (width !== undefined && typeof dim === 'number' && width !== dim)
      throw new FormatError(`${where}: ${key} must be the width of the model's states, ${dim}, found ${width}.`);
  }
  if (jsonBoolean(settings, 'include_prompt', where) === false)
    throw new FormatError(
      `${where}: include_prompt must be true, found false: a model that leaves prompts out of the mean is not supported.`,
    );
  const mode: JsonValue | undefined = settings['pooling_mode'];
  const on = mode === undefined
    ? Object.keys(settings).filter((key) => key.startsWith('pooling_mode_') && settings[key] === true)
    : (Array.isArray(mode) ? (mode as readonly JsonValue[]) : [mode]).map((one) => (typeof one === 'string' ? one : shownJson(one)));
  const [only] = on;
  const pooling = only === undefined ? undefined : (mode === undefined ? SWITCHES : MODES)[only];
  if (on.length === 1 && pooling !== undefined) return pooling;
  throw new FormatError(
    `${where}: expected one pooling mode of ${Object.keys(mode === undefined ? SWITCHES : MODES).join(', ')}, ` +
      `found ${on.join(', ') || 'none'}.`,
  );
}

interface DensePlace {
  readonly path: string;
  readonly gguf: string;
  readonly where: string;
}

function denseLayer(settings: JsonObject, { path, gguf, where }: DensePlace): DenseLayer {
  const file = `${where}: ${path}/config.json`;
  const width = (key: string) => {
    const value = jsonNumber(settings, key, file);
    if (value !== undefined && Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 20) return value;
    throw new FormatError(`${file}: ${key} must be an integer of at least 1, found ${value}.`);
  };
  const activation = settings['activation_function'];
  // Without a name sentence-transformers takes Tanh.
  if (!(typeof activation === 'string' && /\bIdentity$/.test(activation)))
    throw new FormatError(`${file}: activation_function must be Identity, found ${shownJson(activation)}.`);
  return {
    names: { gguf, safetensors: `${path}.linear` },
    inWidth: width('in_features'),
    outWidth: width('out_features'),
    hasBias: jsonBoolean(settings, 'bias', file) ?? true,
  };
}
