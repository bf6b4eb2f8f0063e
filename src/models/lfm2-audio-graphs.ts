/**
 * The graphs of LFM2-Audio. A position of the backbone is a text token, a frame of what is heard, or a frame of eight codes that was said;
 * each kind becomes embeddings in a graph of its own. Of a position's state either a text token is chosen, or a frame: by eight graphs, one
 * a codebook, over the layers of one small transformer whose positions are the codebooks. The vocoder makes spectra of codes.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ModelBuilder } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { choose } from '../graph/ops/choose.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { linear } from '../graph/ops/linear.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { PagedState } from '../graph/state.ts';
import type { Value } from '../graph/value.ts';
import { conformer } from './conformer.ts';
import { gatedMlp, norm, product } from './decoder-graph.ts';
import { CODEBOOKS } from './lfm2-audio-config.ts';
import type { Lfm2AudioConfig, Lfm2AudioDepth } from './lfm2-audio-config.ts';
import { lfm2Layer } from './lfm2.ts';
import type { Lfm2Config } from './lfm2.ts';
import { ropeTable } from './rope-frequencies.ts';

/** What the graphs, their inputs and their outputs are called. Dims: `tokens`, `frames`, `rows`, `outRows`, `texts`, `voices`, `spans`. */
export const TALK = {
  /** The inputs of a conformer (`conformer.ts`) of one sound, to embeddings [heard, dim] of what was heard. */
  ears: { graph: 'ears', embeddings: 'embeddings' },
  /** tokens [tokens], i32, to embeddings [tokens, dim]. */
  tokens: { graph: 'tokens', tokens: 'tokens', embeddings: 'embeddings' },
  /** code.0 to code.7 [frames], i32, to embeddings [frames, dim]. */
  frames: { graph: 'frames', embeddings: 'embeddings' },
  /** embeddings [rows, dim] at positions [rows], to hidden [outRows, dim] of the rows outIndices, after the last norm. */
  backbone: { graph: 'backbone', embeddings: 'embeddings', positions: 'positions', outIndices: 'outIndices', hidden: 'hidden' },
  /** hidden [texts, dim] and settings [texts, 3] to logits [texts, vocab], token [texts], i32, and its embeddings [texts, dim]. */
  text: { graph: 'text', hidden: 'hidden', settings: 'settings', logits: 'logits', token: 'token', embeddings: 'embeddings' },
  /** Of codebook k: hidden [voices, dim], settings [voices, 3], positions [voices], all k; codes before it. To logits and its own code. */
  depth: { hidden: 'hidden', settings: 'settings', positions: 'positions', logits: 'logits', embeddings: 'embeddings' },
  /** code.0 to code.7 [spans], i32, positions and origins [steps] to spectrum [steps, 2 * bins]: ln of magnitudes, then phases. */
  vocoder: { graph: 'vocoder', positions: 'positions', origins: 'origins', spectrum: 'spectrum' },
} as const;

/** The input or output that is the code of codebook k. */
export function codeName(k: number): string {
  return `code.${k}`;
}

/** The graph of codebook k. */
export function depthGraphName(k: number): string {
  return `depth.${k}`;
}

const ADAPTER_EPS = 1e-5;

/** Spectra of a frame of codes. */
export const SPECTRA_PER_FRAME = 6;

function codes(g: GraphBuilder, dim: string): Value[] {
  return Array.from({ length: CODEBOOKS }, (_, k) => g.input(codeName(k), 'i32', [dim]));
}

/** The sum of a row of each table, times `scale`. */
function summed(g: GraphBuilder, name: string, of: readonly Value[], { table, rows, dim, scale = 1 }: {
  readonly table: string; readonly rows: number; readonly dim: number; readonly scale?: number;
}): Value {
  return of.map((code, k) => embed(g, `${name}.${k}`, code, g.weight(`${table}.${k}`, [rows, dim]), scale))
    .reduce((sum, own, k) => add(g, `${name}.sum.${k}`, sum, own));
}

function layersOf(g: GraphBuilder, config: Lfm2Config, x: Value, { positions, table }: { positions: Value; table: RopeTable }): Value {
  let h = x;
  for (let n = 0; n < config.layers; n++) {
    h = g.scope(`layers.${n}`, () => lfm2Layer(g, config, { n, x: h, positions }, table));
    g.tap(`hidden.${n + 1}`, h);
  }
  return h;
}

/** A sound of normalised features to embeddings, a position for each 80 ms. */
export function writeEars(m: ModelBuilder, { ears, dim }: Lfm2AudioConfig): void {
  m.graph(TALK.ears.graph, (g) => {
    const heard = g.scope('ears', () => conformer(g, ears));
    g.tap('encoded', heard);
    g.output(TALK.ears.embeddings, g.scope('adapter', () => {
      const gain = (name: string) => g.weight(g.path(name), [ears.dim]);
      const normed = layerNorm(g, 'norm', heard, { weight: gain('norm'), bias: gain('norm.bias'), eps: ADAPTER_EPS });
      const biases = ['up', 'out'];
      return product(g, 'out', activation(g, 'act', 'gelu', product(g, 'up', normed, { out: dim, biases })), { out: dim, biases });
    }));
  });
}

/** Graphs of text, of what was said, and of the backbone over all kinds of rows. */
export function writeBackbone(m: ModelBuilder, config: Lfm2AudioConfig, contextLength: number): void {
  const { backbone, dim, vocabSize, audioVocab, rmsEps } = config;
  const words = (g: GraphBuilder) => g.weight('embedding', [vocabSize, dim]);
  m.graph(TALK.tokens.graph, (g) => {
    g.output(TALK.tokens.embeddings, embed(g, 'embed', g.input(TALK.tokens.tokens, 'i32', ['tokens']), words(g)));
  });
  m.graph(TALK.frames.graph, (g) => {
    g.output(TALK.frames.embeddings, summed(g, 'said', codes(g, 'frames'), { table: 'frames', rows: audioVocab, dim }));
  });
  m.graph(TALK.backbone.graph, (g) => {
    const x = g.input(TALK.backbone.embeddings, 'f32', ['rows', dim]);
    const positions = g.input(TALK.backbone.positions, 'i32', ['rows']);
    const outIndices = g.input(TALK.backbone.outIndices, 'i32', ['outRows']);
    const table = ropeTable(backbone.rope, { id: 'rope', headDim: backbone.headDim, contextLength });
    const last = layersOf(g, backbone, x, { positions, table });
    g.output(TALK.backbone.hidden, norm(g, 'norm', gatherRows(g, 'last', last, outIndices), { eps: rmsEps }));
  });
  m.graph(TALK.text.graph, (g) => {
    const hidden = g.input(TALK.text.hidden, 'f32', ['texts', dim]);
    const settings = g.input(TALK.text.settings, 'f32', ['texts', 3]);
    const logits = linear(g, 'output', hidden, words(g));
    const token = choose(g, 'choose', logits, { settings });
    g.output(TALK.text.logits, logits);
    g.output(TALK.text.token, token);
    g.output(TALK.text.embeddings, embed(g, 'embed', token, words(g)));
  });
}

interface DepthParts {
  readonly positions: Value;
  readonly table: RopeTable;
  readonly state: PagedState;
}

function depthLayer(g: GraphBuilder, depth: Lfm2AudioDepth, x: Value, { positions, table, state }: DepthParts): Value {
  const { dim, heads, kvHeads, headDim, ffnDim, rmsEps } = depth;
  const mixed = g.scope('attn', () => {
    const normed = norm(g, 'norm', x, { eps: rmsEps });
    const part = (name: string, count: number) => product(g, name, normed, { out: count * headDim, biases: [] });
    const turned = (name: 'q' | 'k', count: number) => rope(
      g, `${name}_rope`, norm(g, `${name}_norm`, part(name, count), { eps: rmsEps, groups: count }),
      { heads: count, headDim, table, positions },
    );
    const qkv = [turned('q', heads), turned('k', kvHeads), part('v', kvHeads)] as const;
    const attended = attention(g, 'attend', qkv, { heads, scale: headDim ** -0.5, state, positions });
    return product(g, 'o', attended, { out: dim, biases: [] });
  });
  const h = add(g, 'attn.residual', x, mixed);
  const mlp = g.scope('mlp', () => gatedMlp(g, norm(g, 'norm', h, { eps: rmsEps }), { ffnDim, activation: 'silu', biases: [] }));
  return add(g, 'mlp.residual', h, mlp);
}

/** The graph of codebook k; the last one makes the frame's embeddings of all its codes, and gives them all. */
function depthGraph(
  g: GraphBuilder, config: Lfm2AudioConfig, { k, table, states }: { k: number; table: RopeTable; states: readonly PagedState[] },
): void {
  const { dim, depth, audioVocab } = config;
  const isLast = k === CODEBOOKS - 1;
  const hidden = g.input(TALK.depth.hidden, 'f32', ['voices', dim]);
  const settings = g.input(TALK.depth.settings, 'f32', ['voices', 3]);
  const positions = g.input(TALK.depth.positions, 'i32', ['voices']);
  const needed = isLast ? Array.from({ length: k }, (_, i) => i) : [...new Set([0, k - 1])].filter((i) => i < k && i >= 0);
  const before = new Map(needed.map((i) => [i, g.input(codeName(i), 'i32', ['voices'])]));
  const codesOf = (i: number) => g.weight(`depth.codes.${i}`, [audioVocab, depth.dim]);
  const input = linear(
    g, 'input', hidden, g.weight(`depth.input.${k}`, [depth.dim, dim]), g.weight(`depth.input.${k}.bias`, [depth.dim]),
  );
  const previous = before.get(k - 1);
  let x = previous === undefined ? input : add(g, 'previous.sum', input, embed(g, 'previous', previous, codesOf(k - 1)));
  states.forEach((state, n) => {
    x = g.scope(`depth.layers.${n}`, () => depthLayer(g, depth, x, { positions, table, state }));
  });
  const normed = g.scope('depth.norm', () => norm(g, String(k), x, { eps: depth.rmsEps }));
  const logits = linear(g, 'output', normed, codesOf(k));
  const first = before.get(0);
  const code = choose(g, 'choose', logits, { settings, ...(first && { after: { choice: first, end: audioVocab - 1 } }) });
  g.output(TALK.depth.logits, logits);
  g.output(codeName(k), code);
  if (!isLast) return;
  for (const [i, value] of before) g.output(codeName(i), value);
  g.output(TALK.depth.embeddings, summed(g, 'said', [...before.values(), code], { table: 'frames', rows: audioVocab, dim }));
}

/** A graph a codebook, over states that hold a frame's codebooks. */
export function writeDepth(m: ModelBuilder, config: Lfm2AudioConfig): void {
  const { layers, kvHeads, headDim, theta } = config.depth;
  const table = ropeTable({ theta, scaling: { kind: 'none' } }, { id: 'depth.rope', headDim, contextLength: CODEBOOKS });
  const states = Array.from({ length: layers }, () => m.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim }));
  for (let k = 0; k < CODEBOOKS; k++) m.graph(depthGraphName(k), (g) => depthGraph(g, config, { k, table, states }));
}

/** The mean of the rows of codes, six times each, through the layers to spectra. */
export function writeVocoder(m: ModelBuilder, { vocoder, audioVocab, bins }: Lfm2AudioConfig): void {
  m.graph(TALK.vocoder.graph, (g) => {
    const said = codes(g, 'spans');
    g.derivedDim('steps', ({ spans = 0 }) => SPECTRA_PER_FRAME * spans);
    const origins = g.input(TALK.vocoder.origins, 'i32', ['steps']);
    const positions = g.input(TALK.vocoder.positions, 'i32', ['steps']);
    const { dim, rmsEps, contextLength } = vocoder;
    const spectrum = g.scope('vocoder', () => {
      const table = ropeTable(vocoder.rope, { id: 'vocoder.rope', headDim: vocoder.headDim, contextLength });
      const mean = summed(g, 'said', said, { table: 'vocoder.codes', rows: audioVocab - 1, dim, scale: 1 / CODEBOOKS });
      const last = norm(g, 'norm', layersOf(g, vocoder, gatherRows(g, 'repeat', mean, origins), { positions, table }), { eps: rmsEps });
      g.tap('output', last);
      return product(g, 'spectrum', last, { out: 2 * bins, biases: ['spectrum'] });
    });
    g.output(TALK.vocoder.spectrum, spectrum);
  });
}
