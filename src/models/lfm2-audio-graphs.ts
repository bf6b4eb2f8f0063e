/**
 * The graphs of LFM2-Audio. A position of the backbone is a text token, a frame of what is heard, or a frame of eight codes that was said;
 * each kind becomes embeddings in a graph of its own. Of a position's state either a text token is chosen, or a frame: codebook by
 * codebook, by one small transformer whose positions are the codebooks. The vocoder makes spectra of codes.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ModelBuilder } from '../graph/model-graphs.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { choose, CHOICE_SETTINGS } from '../graph/ops/choose.ts';
import { columns } from '../graph/ops/columns.ts';
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
  /**
   * hidden [voices, dim], settings [voices, 8 * 3] and positions.k [voices], all k, of a sequence's first position to logits.k of each
   * codebook, code.0 to code.7 [voices], i32, and the frame's embeddings [voices, dim].
   */
  depth: {
    graph: 'depth', hidden: 'hidden', settings: 'settings', embeddings: 'embeddings',
    positions: (k: number) => `positions.${k}`, logits: (k: number) => `logits.${k}`,
  },
  /** code.0 to code.7 [spans], i32, positions and origins [steps] to spectrum [steps, 2 * bins]: ln of magnitudes, then phases. */
  vocoder: { graph: 'vocoder', positions: 'positions', origins: 'origins', spectrum: 'spectrum' },
} as const;

/** The input or output that is the code of codebook k. */
export function codeName(k: number): string {
  return `code.${k}`;
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
  /** Number of the codebook. */
  readonly ahead: number;
}

function depthLayer(g: GraphBuilder, depth: Lfm2AudioDepth, x: Value, { positions, table, state, ahead }: DepthParts): Value {
  const { dim, heads, kvHeads, headDim, ffnDim, rmsEps } = depth;
  const mixed = g.scope('attn', () => {
    const normed = norm(g, 'norm', x, { eps: rmsEps });
    const part = (name: string, count: number) => product(g, name, normed, { out: count * headDim, biases: [] });
    const turned = (name: 'q' | 'k', count: number) => rope(
      g, `${name}_rope`, norm(g, `${name}_norm`, part(name, count), { eps: rmsEps, groups: count }),
      { heads: count, headDim, table, positions },
    );
    const qkv = [turned('q', heads), turned('k', kvHeads), part('v', kvHeads)] as const;
    const attended = attention(g, 'attend', qkv, { heads, scale: headDim ** -0.5, state, positions, ahead });
    return product(g, 'o', attended, { out: dim, biases: [] });
  });
  const h = add(g, 'attn.residual', x, mixed);
  const mlp = g.scope('mlp', () => gatedMlp(g, norm(g, 'norm', h, { eps: rmsEps }), { ffnDim, activation: 'silu', biases: [] }));
  return add(g, 'mlp.residual', h, mlp);
}

/** What the graph of a frame reads of the host, and the depth transformer's inputs of all codebooks [voices, 8 * depth dim]. */
interface FrameParts {
  readonly inputs: Value;
  readonly settings: Value;
  readonly table: RopeTable;
  readonly states: readonly PagedState[];
}

/** Codebook k, behind the codes before it. */
function nextCode(g: GraphBuilder, { depth, audioVocab }: Lfm2AudioConfig, before: readonly Value[], parts: FrameParts): Value {
  const { inputs, settings, table, states } = parts;
  const k = before.length;
  const codesOf = (i: number) => g.weight(`depth.codes.${i}`, [audioVocab, depth.dim]);
  const positions = g.input(TALK.depth.positions(k), 'i32', ['voices']);
  const input = columns(g, `depth.input.${k}`, inputs, { start: k * depth.dim, width: depth.dim });
  const previous = before.at(-1);
  let x = previous === undefined ? input : add(g, `depth.sum.${k}`, input, embed(g, `depth.said.${k}`, previous, codesOf(k - 1)));
  states.forEach((state, n) => {
    x = g.scope(`depth.layers.${n}`, () => depthLayer(g, depth, x, { positions, table, state, ahead: k }));
  });
  const normed = g.scope('depth.norm', () => norm(g, String(k), x, { eps: depth.rmsEps }));
  const logits = linear(g, `depth.output.${k}`, normed, codesOf(k));
  const [first] = before;
  const code = choose(g, `depth.choose.${k}`, logits, {
    settings, nth: k, ...(first && { after: { choice: first, end: audioVocab - 1 } }),
  });
  g.output(TALK.depth.logits(k), logits);
  g.output(codeName(k), code);
  return code;
}

/** A frame of codes and its embeddings, codebook by codebook, over states that hold a frame's codebooks. */
export function writeDepth(m: ModelBuilder, config: Lfm2AudioConfig): void {
  const { dim, audioVocab, depth } = config;
  const { layers, kvHeads, headDim, theta } = depth;
  const table = ropeTable({ theta, scaling: { kind: 'none' } }, { id: 'depth.rope', headDim, contextLength: CODEBOOKS });
  const shape = { heads: kvHeads, keyDim: headDim, valueDim: headDim, positions: CODEBOOKS };
  const states = Array.from({ length: layers }, () => m.pagedState(shape));
  m.graph(TALK.depth.graph, (g) => {
    const hidden = g.input(TALK.depth.hidden, 'f32', ['voices', dim]);
    const settings = g.input(TALK.depth.settings, 'f32', ['voices', CODEBOOKS * CHOICE_SETTINGS]);
    const width = CODEBOOKS * depth.dim;
    const inputs = linear(g, 'depth.inputs', hidden, g.weight('depth.input', [width, dim]), g.weight('depth.input.bias', [width]));
    const made: Value[] = [];
    while (made.length < CODEBOOKS) made.push(nextCode(g, config, made, { inputs, settings, table, states }));
    g.output(TALK.depth.embeddings, summed(g, 'said', made, { table: 'frames', rows: audioVocab, dim }));
  });
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
