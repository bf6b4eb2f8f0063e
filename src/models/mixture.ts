/**
 * A mixture of experts in place of a layer's MLP, for the families that have one: its settings, the ways in which files store its
 * matrices, and its ops. The experts of a layer are one weight [experts, out, in] each for gate, up and down.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { clampedGate, gated } from '../graph/ops/activation.ts';
import type { ActivationName, GateClamp } from '../graph/ops/activation.ts';
import { expertLinear } from '../graph/ops/expert-linear.ts';
import { expertSum } from '../graph/ops/expert-sum.ts';
import { route } from '../graph/ops/route.ts';
import type { RouteFields } from '../graph/ops/route.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, CheckpointFormat } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { configFields } from './config-fields.ts';
import type { FieldName } from './config-fields.ts';
import { slice, stackExperts, tensor } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

export interface Mixture {
  readonly experts: number;
  /** Experts that a row goes to. */
  readonly used: number;
  /** Width of one expert. */
  readonly ffnDim: number;
  /** Which layers have experts; the others have an MLP. */
  readonly layers: readonly boolean[];
  /** How a file of each format stores them: this one, and one that is written of it. */
  readonly stored: Readonly<Record<CheckpointFormat, ExpertStorage>>;
}

/**
 * A tensor for each matrix of each expert; one [experts, out, in] for each of a layer's three; or gate and up as one of
 * [experts, 2 * out, in] (`fused`).
 */
export type ExpertStorage = 'single' | 'stacked' | 'fused';

type Part = 'gate' | 'up' | 'down';
const PARTS: readonly Part[] = ['gate', 'up', 'down'];

/** Names within a layer. */
export interface ExpertNames {
  /** Tensors of one expert are called `PREFIX.NUMBER.` and these. */
  readonly single: Readonly<Record<Part | 'prefix', string>>;
  readonly stacked: Readonly<Record<Part, string>>;
  readonly fused: Readonly<Record<'gateUp' | 'down', string>>;
}

const GGUF_STACKED = { gate: 'ffn_gate_exps.weight', up: 'ffn_up_exps.weight', down: 'ffn_down_exps.weight' };
const GGUF_FUSED = { gateUp: 'ffn_gate_up_exps.weight', down: 'ffn_down_exps.weight' };
const GGUF_NAMES = { stacked: GGUF_STACKED, fused: GGUF_FUSED };

/** Keys of config.json, those of later versions behind those of earlier ones. */
export interface MixtureKeys {
  readonly experts: readonly string[];
  readonly used: readonly string[];
  readonly ffnDim: readonly string[];
}

const GGUF_KEYS = { experts: 'expert_count', used: 'expert_used_count', ffnDim: 'expert_feed_forward_length' } as const;

export interface MixtureRule {
  readonly keys: MixtureKeys;
  readonly names: ExpertNames;
  /** Which layers have experts by a folder's config; GGUF files say it by their tensors. */
  readonly layers: readonly boolean[];
  /** How GGUF files store gate and up. Default `stacked`. */
  readonly gguf?: 'stacked' | 'fused' | undefined;
}

/** @throws FormatError where a size is absent, or more experts are chosen than there are */
export function parseMixture(checkpoint: Checkpoint, { keys, names, layers, gguf = 'stacked' }: MixtureRule): Mixture {
  const { format, tensors, name, architecture } = checkpoint;
  const isGguf = format === 'gguf';
  const fields = configFields(checkpoint);
  const size = (own: keyof MixtureKeys) => {
    const named = keys[own].map((hf): FieldName => ({ hf, gguf: GGUF_KEYS[own] }));
    const said = named.map((one) => ({ key: one.hf, value: fields.countWhere(one, { what: 'experts', has }) }))
      .filter((one): one is { key: string; value: number } => one.value !== undefined);
    const field = named.find(({ hf }) => hf === said[0]?.key) ?? (named[0] as FieldName);
    const value = said[0]?.value ?? fields.requiredCount(field);
    const other = said.find((one) => one.value !== value);
    return { value, other, key: isGguf ? `${architecture}.${field.gguf}` : field.hf };
  };
  const own = ['ffn_gate_inp.weight', ...Object.values(GGUF_STACKED), GGUF_FUSED.gateUp];
  const has = isGguf ? layers.map((_, n) => own.some((one) => tensors.has(`blk.${n}.${one}`))) : layers;
  const [experts, used, ffnDim] = [size('experts'), size('used'), size('ffnDim')];
  for (const { key, value, other } of [experts, used, ffnDim])
    if (other !== undefined) throw new FormatError(`${name}: ${key} and ${other.key} must be the same, found ${value} and ${other.value}.`);
  if (used.value > experts.value)
    throw new FormatError(`${name}: ${used.key} must be at most the number of experts (${experts.value}), found ${used.value}.`);
  if (!isGguf && folderStorage(checkpoint, names, layers) === 'single') checkSingles(checkpoint, layers, experts);
  return {
    experts: experts.value,
    used: used.value,
    ffnDim: ffnDim.value,
    layers: has,
    stored: isGguf
      ? { gguf: ggufStorage(checkpoint, layers), safetensors: 'fused' }
      : { gguf, safetensors: folderStorage(checkpoint, names, layers) },
  };
}

/** Softmax of all experts, of those chosen to 1: what llama.cpp does for families whose GGUF files cannot say otherwise. */
export const SOFTMAX_OF_CHOSEN = {
  expert_gating_func: [1], expert_weights_norm: [true], expert_weights_scale: [0, 1], expert_group_count: [0, 1],
} as const;

function ggufStorage({ tensors }: Checkpoint, layers: readonly boolean[]): ExpertStorage {
  return layers.some((_, n) => tensors.has(`blk.${n}.${GGUF_FUSED.gateUp}`)) ? 'fused' : 'stacked';
}

function folderStorage({ tensors }: Checkpoint, { fused, stacked, single }: ExpertNames, layers: readonly boolean[]): ExpertStorage {
  const has = (own: string) => layers.some((_, n) => tensors.has(`model.layers.${n}.${own}`));
  if (has(fused.gateUp)) return 'fused';
  if (has(stacked.gate)) return 'stacked';
  return PARTS.some((part) => has(`${single.prefix}.0.${single[part]}`)) ? 'single' : 'fused';
}

/** Before a list of the tensors of all experts is made: a damaged number must not make it as long as memory is. */
function checkSingles(
  { tensors, name }: Checkpoint, layers: readonly boolean[], experts: { readonly key: string; readonly value: number },
): void {
  const mixtures = layers.filter((isMixture) => isMixture).length;
  if (experts.value * mixtures * PARTS.length <= tensors.size) return;
  throw new FormatError(
    `${name}: ${experts.key} must be the number of experts in the file, which has ${tensors.size} tensors in all, ` +
      `found ${experts.value}: each needs ${PARTS.length} tensors in each of ${mixtures} layers.`,
  );
}

/** The matrices of the experts of layer `n`: `layers.3.moe.gate`, `up` and `down`. */
export function expertSpecs(n: number, dim: number, mixture: Mixture, names: ExpertNames): readonly WeightSpec[] {
  return PARTS.map((part) => ({
    id: `layers.${n}.moe.${part}`,
    shape: [mixture.experts, ...matrixShape(part, dim, mixture)],
    gguf: storedMatrix(part, dim, { mixture, as: mixture.stored.gguf, names: GGUF_NAMES, prefix: `blk.${n}.` }),
    safetensors: storedMatrix(part, dim, { mixture, as: mixture.stored.safetensors, names, prefix: `model.layers.${n}.` }),
  }));
}

function matrixShape(part: Part, dim: number, { ffnDim }: Mixture): readonly [number, number] {
  return part === 'down' ? [dim, ffnDim] : [ffnDim, dim];
}

interface StoredAs {
  readonly mixture: Mixture;
  readonly as: ExpertStorage;
  readonly names: Partial<Pick<ExpertNames, 'single'>> & Pick<ExpertNames, 'stacked' | 'fused'>;
  /** Of the layer. */
  readonly prefix: string;
}

/** One of the three, [experts, out, in], of a layer's tensors. */
function storedMatrix(part: Part, dim: number, { mixture, as, names, prefix }: StoredAs): WeightExpression {
  const { experts, ffnDim } = mixture;
  const shape = matrixShape(part, dim, mixture);
  const { single, stacked, fused } = names;
  if (as === 'stacked') return tensor(`${prefix}${stacked[part]}`, [experts, ...shape]);
  if (as === 'fused') {
    if (part === 'down') return tensor(`${prefix}${fused.down}`, [experts, ...shape]);
    const both = tensor(`${prefix}${fused.gateUp}`, [experts, 2 * ffnDim, dim]);
    return part === 'gate' ? slice(both, 0, ffnDim) : slice(both, ffnDim, 2 * ffnDim);
  }
  if (single === undefined) throw new Error(`experts of ${prefix} have no names of single tensors`);
  const one = (e: number) => tensor(`${prefix}${single.prefix}.${e}.${single[part]}`, shape);
  return stackExperts(Array.from({ length: experts }, (_, e) => one(e)), shape);
}

export interface MixtureOptions {
  readonly mixture: Mixture;
  readonly routing: Omit<RouteFields, 'used'>;
  readonly activation: ActivationName;
  /** Bounds of gate and up; default none. */
  readonly clamp?: GateClamp | undefined;
  /** True: every expert's products have biases, called `gate.bias` and so on, [experts, out]. Default false. */
  readonly hasBiases?: boolean | undefined;
}

/**
 * The weighted sum of what a row's experts make of x, down(activation(gate(x)) * up(x)) each. x [rows, dim]; logits [rows, experts] of the
 * router. Output [rows, dim].
 */
export function mixtureOfExperts(
  g: GraphBuilder, [x, logits]: readonly [Value, Value], { mixture, routing, activation, clamp, hasBiases = false }: MixtureOptions,
): Value {
  const { experts, used } = mixture;
  const dim = widthOf(x);
  const routes = route(g, 'route', logits, { ...routing, used });
  const product = (name: Part, input: Value) => {
    const [out, cols] = matrixShape(name, dim, mixture);
    const bias = hasBiases ? g.weight(g.path(`${name}.bias`), [experts, out]) : undefined;
    return expertLinear(g, name, [input, routes], { weight: g.weight(g.path(name), [experts, out, cols]), bias, each: name === 'down' });
  };
  const both = [product('gate', x), product('up', x)] as const;
  const act = clamp === undefined ? gated(g, 'act', activation, both) : clampedGate(g, 'act', { fn: activation, clamp }, both);
  return expertSum(g, 'sum', product('down', act), routes);
}

/** GGUF's keys of a mixture. */
export function mixtureMetadata(architecture: string, { experts, used, ffnDim }: Mixture): GgufMetadata {
  return new Map([
    [`${architecture}.${GGUF_KEYS.experts}`, uint32(experts)],
    [`${architecture}.${GGUF_KEYS.used}`, uint32(used)],
    [`${architecture}.${GGUF_KEYS.ffnDim}`, uint32(ffnDim)],
  ]);
}
