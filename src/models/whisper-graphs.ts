/** Whisper's graphs: the listener, the decoder, and what tells where tokens are said. */
import { conv1d } from '../graph/conv1d.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { ALIGNER, buildModel, DECODER, LISTENER } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { fullAttention } from '../graph/ops/full-attention.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { linear } from '../graph/ops/linear.ts';
import { memoryWeights } from '../graph/ops/memory-weights.ts';
import { storedAttention } from '../graph/ops/stored-attention.ts';
import { outputFrames } from '../graph/ops/windows.ts';
import { writeMemory } from '../graph/ops/write-memory.ts';
import type { PagedState } from '../graph/state.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import { product } from './decoder-graph.ts';
import { WHISPER_BIASES as BIASES, WHISPER_TAPS as TAPS } from './whisper-config.ts';
import type { WhisperConfig } from './whisper-config.ts';

/** The second convolution's: the frames of two positions. */
const STRIDE = 2;
const NORM_EPS = 1e-5;

/** Values are [frames, dim] or [rows, dim]. */
function norm(g: GraphBuilder, name: string, x: Value): Value {
  const width = widthOf(x);
  return layerNorm(g, name, x, { weight: g.weight(g.path(name), [width]), bias: g.weight(g.path(`${name}.bias`), [width]), eps: NORM_EPS });
}

/** x and its norm through two products. */
function mlp(g: GraphBuilder, x: Value, ffnDim: number): Value {
  const out = widthOf(x);
  const m = norm(g, 'mlp_norm', x);
  const made = g.scope('mlp', () =>
    product(g, 'down', activation(g, 'act', 'gelu', product(g, 'up', m, { out: ffnDim, biases: BIASES })), { out, biases: BIASES }));
  return add(g, 'mlp.residual', x, made);
}

function stem(g: GraphBuilder, { melBands, dim }: WhisperConfig): Value {
  const sound = g.input(LISTENER.sound, 'f32', [LISTENER.rows, melBands]);
  const span = { taps: TAPS, before: 1 };
  const frames = g.derivedDim('frames', (sizes) => outputFrames(sizes[LISTENER.rows] as number, { ...span, after: 1 }));
  const memory = g.derivedDim(LISTENER.memory, (sizes) => outputFrames(sizes['frames'] as number, { ...span, stride: STRIDE, after: 1 }));
  const weightsOf = (name: string, from: number) =>
    ({ weight: g.weight(g.path(name), [dim, TAPS * from]), bias: g.weight(g.path(`${name}.bias`), [dim]) });
  const first = activation(g, 'act1', 'gelu', conv1d(g, 'conv1', sound, { ...span, ...weightsOf('conv1', melBands), frames }));
  return activation(g, 'act2', 'gelu', conv1d(g, 'conv2', first, { ...span, ...weightsOf('conv2', dim), stride: STRIDE, frames: memory }));
}

function encoder(g: GraphBuilder, config: WhisperConfig, memories: readonly PagedState[]): void {
  const { dim, encoderHeads: heads, encoderFfnDim, encoderLayers, soundPositions } = config;
  const width = dim / heads;
  const sizes = { heads, kvHeads: heads, keyDim: width, valueDim: width, scale: width ** -0.5 };
  const heard = g.scope('encoder', () => {
    const frames = stem(g, config);
    const positions = g.input(LISTENER.positions, 'i32', [LISTENER.memory]);
    let x = add(g, 'placed', frames, embed(g, 'embed_positions', positions, g.weight(g.path('positions'), [soundPositions, dim])));
    g.tap('hidden.0', x);
    for (let n = 0; n < encoderLayers; n++) {
      x = g.scope(`layers.${n}`, () => {
        const normed = norm(g, 'norm', x);
        const attended = g.scope('attn', () => {
          const qkv = ['q', 'k', 'v'].map((part) => product(g, part, normed, { out: dim, biases: BIASES })) as [Value, Value, Value];
          return product(g, 'o', fullAttention(g, 'attend', qkv, sizes), { out: dim, biases: BIASES });
        });
        return mlp(g, add(g, 'attn.residual', x, attended), encoderFfnDim);
      });
      g.tap(`hidden.${n + 1}`, x);
    }
    const last = norm(g, 'norm', x);
    g.output(LISTENER.encoded, last);
    return { last, positions };
  });
  // What cross attention reads is made once, where the sound is heard.
  memories.forEach((memory, n) => g.scope(`decoder.layers.${n}.cross`, () => {
    const [k, v] = ['k', 'v'].map((part) => product(g, part, heard.last, { out: dim, biases: BIASES })) as [Value, Value];
    writeMemory(g, 'write', [k, v, heard.positions], memory);
  }));
}

interface LayerStates {
  /** What the listener left. */
  readonly memory: PagedState;
  /** Of the tokens before. */
  readonly own: PagedState;
}

/** x and its attention to the tokens before. */
function ownAttention(
  g: GraphBuilder, { dim, heads, headDim }: WhisperConfig, x: Value, { own, positions }: LayerStates & { readonly positions: Value },
): Value {
  const out = { out: dim, biases: BIASES };
  const normed = norm(g, 'norm', x);
  const attended = g.scope('attn', () => {
    const qkv = ['q', 'k', 'v'].map((part) => product(g, part, normed, out)) as [Value, Value, Value];
    return product(g, 'o', attention(g, 'attend', qkv, { heads, scale: headDim ** -0.5, state: own, positions }), out);
  });
  return add(g, 'attn.residual', x, attended);
}

/** What asks the memory. */
function crossQuery(g: GraphBuilder, { dim }: WhisperConfig, h: Value): Value {
  const normed = norm(g, 'cross_norm', h);
  return g.scope('cross', () => product(g, 'q', normed, { out: dim, biases: BIASES }));
}

/** h, what the memory answers to q, and the MLP. */
function crossAndMlp(g: GraphBuilder, config: WhisperConfig, [h, q]: readonly [Value, Value], memory: PagedState): Value {
  const { dim, heads, headDim, ffnDim } = config;
  const crossed = g.scope('cross', () =>
    product(g, 'o', storedAttention(g, 'attend', q, { heads, scale: headDim ** -0.5, state: memory }), { out: dim, biases: BIASES }));
  return mlp(g, add(g, 'cross.residual', h, crossed), ffnDim);
}

/** Tokens with their positions, [rows, dim]. */
function placedTokens(
  g: GraphBuilder, { vocabSize, dim, contextLength }: WhisperConfig, [tokens, positions]: readonly [Value, Value],
): Value {
  const placed = embed(g, 'embed_positions', positions, g.weight('positions', [contextLength, dim]));
  return add(g, 'placed', embed(g, 'embed', tokens, g.weight('embedding', [vocabSize, dim])), placed);
}

function decoder(g: GraphBuilder, config: WhisperConfig, states: readonly LayerStates[]): void {
  const { vocabSize, dim } = config;
  const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
  const positions = g.input(DECODER.positions, 'i32', ['rows']);
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  let x = placedTokens(g, config, [tokens, positions]);
  g.tap('hidden.0', x);
  states.forEach((layer, n) => {
    x = g.scope(`decoder.layers.${n}`, () => {
      const h = ownAttention(g, config, x, { ...layer, positions });
      return crossAndMlp(g, config, [h, crossQuery(g, config, h)], layer.memory);
    });
    g.tap(`hidden.${n + 1}`, x);
  });
  const table = g.weight('embedding', [vocabSize, dim]);
  g.output(DECODER.logits, linear(g, 'output', norm(g, 'norm', gatherRows(g, 'last', x, outIndices)), table));
}

/** The decoder up to the last layer with a head that aligns: how much each token's row attends to each position of the sound. */
function aligner(g: GraphBuilder, config: WhisperConfig, states: readonly LayerStates[]): void {
  const { alignmentHeads, heads, headDim, soundPositions } = config;
  const tokens = g.input(ALIGNER.tokens, 'i32', [ALIGNER.rows]);
  const positions = g.input(ALIGNER.positions, 'i32', [ALIGNER.rows]);
  const last = Math.max(...alignmentHeads.map(([layer]) => layer));
  let x = placedTokens(g, config, [tokens, positions]);
  states.slice(0, last + 1).forEach((layer, n) => {
    const taken = alignmentHeads.flatMap(([own, head]) => (own === n ? [head] : []));
    x = g.scope(`decoder.layers.${n}`, () => {
      const h = ownAttention(g, config, x, { ...layer, positions });
      const q = crossQuery(g, config, h);
      if (taken.length > 0) {
        const looked = { heads, scale: headDim ** -0.5, state: layer.memory, taken, positions: soundPositions };
        g.output(`${ALIGNER.weights}.${n}`, memoryWeights(g, 'weights', q, looked));
      }
      return n === last ? h : crossAndMlp(g, config, [h, q], layer.memory);
    });
  });
}

export function whisperGraphs(config: WhisperConfig): ModelGraphs {
  const { layers, heads, headDim } = config;
  return buildModel(config.architecture, (m) => {
    const shape = { heads, keyDim: headDim, valueDim: headDim };
    const memories = Array.from({ length: layers }, () => m.pagedState({ ...shape, memory: true }));
    const states = memories.map((memory): LayerStates => ({ memory, own: m.pagedState(shape) }));
    m.graph(LISTENER.graph, (g) => encoder(g, config, memories));
    m.graph(DECODER.graph, (g) => decoder(g, config, states));
    m.graph(ALIGNER.graph, (g) => aligner(g, config, states));
  }, { decoder: DECODER, listener: LISTENER, aligner: ALIGNER });
}
