/**
 * A model of two graphs: an encoder that halves its frames, and a decoder that attends to what it made: to rows that it is given, or to
 * keys and values that the encoder left in a memory.
 */
import { gated, activation } from '../src/graph/ops/activation.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { storedAttention } from '../src/graph/ops/stored-attention.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { fullAttention } from '../src/graph/ops/full-attention.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { writeMemory } from '../src/graph/ops/write-memory.ts';
import { buildModel, DECODER } from '../src/graph/model-graphs.ts';
import type { ModelGraphs } from '../src/graph/model-graphs.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import type { PagedState } from '../src/graph/state.ts';
import type { Value } from '../src/graph/value.ts';

export const TWO_GRAPHS = { features: 12, dim: 32, heads: 4, kvHeads: 2, headDim: 8, vocab: 40 } as const;

const { features, dim, heads, kvHeads, headDim, vocab } = TWO_GRAPHS;
const scale = headDim ** -0.5;

function product(g: GraphBuilder, name: string, x: Value, [out, width]: readonly [number, number]): Value {
  return linear(g, name, x, g.weight(g.path(name), [out, width]));
}

function norm(g: GraphBuilder, name: string, x: Value): Value {
  return rmsNorm(g, name, x, { weight: g.weight(g.path(name), [dim]), eps: 1e-5 });
}

/** Two frames become one: even ones and odd ones, each through a matrix of its own, added up; then attention in both directions. */
function encoder(g: GraphBuilder): Value {
  const frames = g.input('features', 'f32', ['frames', features]);
  const half = g.derivedDim('halfFrames', ({ frames: count = 0 }) => count / 2);
  const [even, odd] = ['even', 'odd'].map((name) => g.input(name, 'i32', [half]));
  const projected = activation(g, 'act', 'silu', product(g, 'in', frames, [dim, features]));
  const pairs = [even, odd].map((indices, i) =>
    product(g, `half.${i}`, gatherRows(g, `pick.${i}`, projected, indices as Value), [dim, dim]),
  ) as [Value, Value];
  const x = add(g, 'pair', ...pairs);
  const normed = norm(g, 'norm', x);
  const qkv = [
    product(g, 'q', normed, [heads * headDim, dim]),
    product(g, 'k', normed, [kvHeads * headDim, dim]),
    product(g, 'v', normed, [kvHeads * headDim, dim]),
  ] as const;
  const mixed = fullAttention(g, 'attend', qkv, { heads, kvHeads, keyDim: headDim, valueDim: headDim, scale });
  const encoded = add(g, 'out', x, product(g, 'o', mixed, [dim, heads * headDim]));
  g.output('encoded', encoded);
  return encoded;
}

/** Keys and values of cross attention. */
function crossKeys(g: GraphBuilder, encoded: Value): [Value, Value] {
  return ['cross.k', 'cross.v'].map((name) => product(g, name, encoded, [kvHeads * headDim, dim])) as [Value, Value];
}

/** One layer: attention over the own sequence, attention over the encoder's rows, a gated MLP. */
function decoder(g: GraphBuilder, memory?: PagedState): void {
  const [tokens, positions] = [DECODER.tokens, DECODER.positions].map((name) => g.input(name, 'i32', ['rows'])) as [Value, Value];
  const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
  const x = embed(g, 'embed', tokens, g.weight('embedding', [vocab, dim]));
  const own = norm(g, 'self.norm', x);
  const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim });
  const qkv = [
    product(g, 'self.q', own, [heads * headDim, dim]),
    product(g, 'self.k', own, [kvHeads * headDim, dim]),
    product(g, 'self.v', own, [kvHeads * headDim, dim]),
  ] as const;
  const h = add(
    g,
    'self.out',
    x,
    product(g, 'self.o', attention(g, 'self.attend', qkv, { positions, heads, scale, state }), [dim, heads * headDim]),
  );
  const q = product(g, 'cross.q', norm(g, 'cross.norm', h), [heads * headDim, dim]);
  const attend = () => {
    if (memory !== undefined) return storedAttention(g, 'cross.attend', q, { heads, scale, state: memory });
    const [k, v] = crossKeys(g, g.input('memory', 'f32', ['halfFrames', dim]));
    return fullAttention(g, 'cross.attend', [q, k, v], { heads, kvHeads, keyDim: headDim, valueDim: headDim, scale });
  };
  const crossed = add(
    g,
    'cross.out',
    h,
    product(g, 'cross.o', attend(), [dim, heads * headDim]),
  );
  g.tap('crossed', crossed);
  const normed = norm(g, 'mlp.norm', crossed);
  const act = gated(g, 'mlp.act', 'silu', [product(g, 'mlp.gate', normed, [48, dim]), product(g, 'mlp.up', normed, [48, dim])]);
  const last = gatherRows(g, 'last', add(g, 'mlp.out', crossed, product(g, 'mlp.down', act, [dim, 48])), outIndices);
  g.output(DECODER.logits, linear(g, 'output', norm(g, 'norm.out', last), g.weight('output', [vocab, dim])));
}

export function twoGraphModel(): ModelGraphs {
  return buildModel('two graphs', (m) => {
    m.graph('encoder', (g) => void encoder(g));
    m.graph(DECODER.graph, (g) => decoder(g));
  });
}

/** The same with the same weights, but that the encoder writes keys and values once, which the decoder's steps then read. */
export function memoryModel(): ModelGraphs {
  return buildModel('two graphs and a memory', (m) => {
    const memory = m.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim, memory: true });
    m.graph('encoder', (g) => {
      const encoded = encoder(g);
      writeMemory(g, 'cross.write', [...crossKeys(g, encoded), g.input('positions', 'i32', ['halfFrames'])], memory);
    });
    m.graph(DECODER.graph, (g) => decoder(g, memory));
  });
}
