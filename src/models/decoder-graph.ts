/**
 * Parts of decoders as graph ops. What differs between families comes as values; weights have the id of their scope and their name:
 * `layers.3.attn.q`.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel, DECODER, ENCODER, SHIFT } from '../graph/model-graphs.ts';
import type { EncoderNames, ModelGraphs } from '../graph/model-graphs.ts';
import { gated } from '../graph/ops/activation.ts';
import type { ActivationName } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import type { Scores } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { linear } from '../graph/ops/linear.ts';
import type { RopeFields, RopeTable } from '../graph/ops/rope.ts';
import { softcap } from '../graph/ops/softcap.ts';
import { rmsNorm } from '../graph/ops/rms-norm.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { EmbeddingHead } from './embedding-head.ts';
import { deepName, SEEING } from './vision.ts';
import type { VisionTower } from './vision.ts';

/** What a layer reads and adds to. */
export interface LayerInput {
  /** The layer's number. */
  readonly n: number;
  /** [rows, dim]. */
  readonly x: Value;
  /** [rows]. */
  readonly positions: Value;
  /** What heads turn by, where that is not `positions` with the family's own table. */
  readonly turns?: Turns | undefined;
}

/** As the rotation's fields are (`graph/ops/rope.ts`). */
export type Turns = Partial<Pick<RopeFields, 'table' | 'positions' | 'shift'>>;

export interface NormOptions {
  readonly eps: number;
  /** Default 1. */
  readonly groups?: number;
}

/** RMS norm of each row, or of each of `groups` heads of it, with the gain called `name`. */
export function norm(g: GraphBuilder, name: string, x: Value, { eps, groups = 1 }: NormOptions): Value {
  return rmsNorm(g, name, x, { weight: g.weight(g.path(name), [widthOf(x) / groups]), eps, groups });
}

export interface ProductOptions {
  /** Width of the result. */
  readonly out: number;
  /** Names of the matrices that have a bias, called `NAME.bias`. */
  readonly biases: readonly string[];
}

/** x [rows, in] times the matrix [out, in] called `name` -> [rows, out]. */
export function product(g: GraphBuilder, name: string, x: Value, { out, biases }: ProductOptions): Value {
  const bias = biases.includes(name) ? g.weight(g.path(`${name}.bias`), [out]) : undefined;
  return linear(g, name, x, g.weight(g.path(name), [out, widthOf(x)]), bias);
}

export interface AttendOptions extends Scores {
  /** [rows]. */
  readonly positions: Value;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly causal: boolean;
  /** How far a row sees (`graph/ops/attention.ts`); undefined: to the beginning. */
  readonly window: number | undefined;
}

/** What a config says of the attention of layer `n`, at the scale of a dot product of heads. */
export function attentionOptions(config: DecoderConfig, n: number): Omit<AttendOptions, 'positions'> {
  const { heads, kvHeads, headDim, causal, window } = config;
  return {
    heads,
    kvHeads,
    headDim,
    scale: headDim ** -0.5,
    causal,
    window: window?.layers[n] === true ? window.size : undefined,
  };
}

/** Attention of q [rows, heads * headDim] over the keys and values that a state of its own holds -> [rows, heads * headDim]. */
export function attend(
  g: GraphBuilder,
  qkv: readonly [Value, Value, Value],
  { kvHeads, headDim, window, ...options }: AttendOptions,
): Value {
  const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim, window: options.causal ? window : undefined });
  return attention(g, 'attend', qkv, { ...options, window, state });
}

export interface GatedMlpOptions {
  readonly ffnDim: number;
  readonly activation: ActivationName;
  readonly biases: readonly string[];
}

/** down(activation(gate(x)) * up(x)). x [rows, dim] -> [rows, dim]. */
export function gatedMlp(g: GraphBuilder, x: Value, { ffnDim, activation, biases }: GatedMlpOptions): Value {
  const gate = product(g, 'gate', x, { out: ffnDim, biases });
  const up = product(g, 'up', x, { out: ffnDim, biases });
  return product(g, 'down', gated(g, 'act', activation, [gate, up]), { out: widthOf(x), biases });
}

/** What some families do to embeddings and logits, and by what they see. */
export interface DecoderFrame {
  /** The tower whose rows the layers take in place of tokens, and the table by whose axes those turn. */
  readonly vision?: { readonly tower: VisionTower; readonly table?: RopeTable | undefined } | undefined;
  /** Factor of the embeddings; default 1. */
  readonly embeddingScale?: number | undefined;
  /** Bound of the logits; default none. */
  readonly logitSoftcap?: number | undefined;
  /** Before the layers, with the scaled embeddings: what they share beside x. */
  readonly before?: ((g: GraphBuilder, tokens: Value, x: Value) => void) | undefined;
}

/** What of a config an encoder's end asks for. */
export interface EncoderEnd {
  readonly architecture: string;
  readonly embedding: EmbeddingHead;
}

/** A model of one encoder. `body` gives the states of the wanted rows [outRows, dim], behind which dense layers come. */
export function encoderModel(
  { architecture, embedding }: EncoderEnd,
  body: (g: GraphBuilder) => Value,
  names: Omit<EncoderNames, 'pooling'> = ENCODER,
): ModelGraphs {
  const { pooling, dense } = embedding;
  return buildModel(architecture, (m) => m.graph(names.graph, (g) => {
    const states = dense.reduce(
      (x, { outWidth, hasBias }, i) => product(g, `dense.${i}`, x, { out: outWidth, biases: hasBias ? [`dense.${i}`] : [] }),
      body(g),
    );
    g.output(names.states, states);
  }), { encoder: { ...names, pooling } });
}

/**
 * Embedding, `layers` times `layer`, final norm and output matrix; for a model of embeddings what its head has in place of that.
 * `rows` is all tokens of a step, `outRows` those whose logits, or states, are wanted. Taps `hidden.0` .. `hidden.L` lie before the final
 * norm.
 */
export function decoderGraph(
  config: DecoderConfig,
  layer: (g: GraphBuilder, input: LayerInput) => Value,
  frame: DecoderFrame = {},
): ModelGraphs {
  const { vocabSize, dim, tiedEmbeddings, architecture, embedding } = config;
  const { logitSoftcap } = frame;
  if (embedding !== undefined) return encoderModel({ architecture, embedding }, (g) => finalStates(g, config, layer, frame));
  const names = frame.vision?.tower.hasAxes ? { ...DECODER, shift: SHIFT } : DECODER;
  return buildModel(architecture, (m) => {
    m.graph(names.graph, (g) => {
      const normed = finalStates(g, config, layer, { ...frame, shift: names.shift });
      const logits = linear(g, 'output', normed, g.weight(tiedEmbeddings ? 'embedding' : 'output', [vocabSize, dim]));
      g.output(names.logits, logitSoftcap === undefined ? logits : softcap(g, 'softcap', logits, logitSoftcap));
    });
    if (frame.vision === undefined) return;
    const { tower, table } = frame.vision;
    tower.write(m);
    m.graph(SEEING.seen.graph, (g) => seenRows(g, config, layer, { tower, table }), names.graph);
  }, { decoder: names });
}

/** The layers over rows of a picture, behind the first of which more of it is added. What the last layer gives is of no use. */
function seenRows(
  g: GraphBuilder, { dim, layers }: DecoderConfig, layer: (g: GraphBuilder, input: LayerInput) => Value,
  { tower, table }: NonNullable<DecoderFrame['vision']>,
): void {
  const { seen } = SEEING;
  const input = (name: string) => g.input(name, 'f32', [seen.pictureRows, dim]);
  const pictures = input(seen.pictures);
  const deep = Array.from({ length: tower.deep }, (_, k) => input(deepName(k)));
  const pick = g.input(seen.pick, 'i32', ['rows']);
  const positions = g.input(seen.positions, 'i32', ['rows']);
  const turns = tower.hasAxes ? { table, positions: g.input(seen.turns, 'i32', ['rows', 3]) } : undefined;
  let x = gatherRows(g, 'pictures', pictures, pick);
  g.tap('hidden.0', x);
  for (let n = 0; n < layers; n++) {
    x = g.scope(`layers.${n}`, () => layer(g, { n, x, positions, turns }));
    g.tap(`hidden.${n + 1}`, x);
    const more = deep[n];
    if (more !== undefined) x = add(g, `deep.${n}`, x, gatherRows(g, `deep.${n}.rows`, more, pick));
  }
  g.output(seen.output, x);
}

/** The states of the wanted rows after the final norm: [outRows, dim]. */
function finalStates(
  g: GraphBuilder,
  { vocabSize, dim, layers, rmsEps }: DecoderConfig,
  layer: (g: GraphBuilder, input: LayerInput) => Value,
  { embeddingScale, before, shift: shiftName }: DecoderFrame & { readonly shift?: string | undefined },
): Value {
  const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
  const positions = g.input(DECODER.positions, 'i32', ['rows']);
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  const shift = shiftName === undefined ? undefined : g.input(shiftName, 'i32', ['rows']);
  let x = embed(g, 'embed', tokens, g.weight('embedding', [vocabSize, dim]), embeddingScale);
  before?.(g, tokens, x);
  g.tap('hidden.0', x);
  for (let n = 0; n < layers; n++) {
    x = g.scope(`layers.${n}`, () => layer(g, { n, x, positions, turns: shift && { shift } }));
    g.tap(`hidden.${n + 1}`, x);
  }
  return norm(g, 'norm', gatherRows(g, 'last', x, outIndices), { eps: rmsEps });
}
