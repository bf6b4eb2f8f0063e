/** Small decoder graphs with random weights, for comparing executors: any widths, types and head shapes. */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { KvLayout, ProgramRequest, WeightSource } from '../src/graph/executor.ts';
import type { Graph } from '../src/graph/graph.ts';
import { randomSource, randomWeights } from '../src/cpu/kernel-check.ts';
import { f32ToBf16, f32ToF16 } from '../src/tensor/half.ts';
import { bytesOfElements, isQuantized } from '../src/tensor/tensor-type.ts';
import type { WeightType } from '../src/tensor/tensor-type.ts';

export interface SyntheticShape {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly vocab: number;
  readonly qkNorm?: boolean;
  readonly bias?: boolean;
  /** Values of a head that turn; default headDim. */
  readonly rotaryDim?: number;
  /** The final norm before the last rows are gathered, instead of after. */
  readonly normFirst?: boolean;
}

export const TINY: SyntheticShape = { layers: 2, dim: 64, heads: 4, kvHeads: 2, headDim: 16, ffnDim: 96, vocab: 50 };

export function syntheticGraph(shape: SyntheticShape): Graph {
  const { layers, dim, heads, kvHeads, headDim, ffnDim, vocab } = shape;
  const half = (shape.rotaryDim ?? headDim) / 2;
  const table = { id: 'rope', frequencies: Float64Array.from({ length: half }, (_, i) => 10000 ** (-i / half)) };
  return buildGraph('synthetic', (g) => {
    const linear = (name: string, x: Parameters<typeof g.linear>[1], out: number, width: number) =>
      g.linear(name, x, g.weight(g.path(name), [out, width]), shape.bias ? g.weight(g.path(`${name}.bias`), [out]) : undefined);
    const norm = (name: string, x: Parameters<typeof g.linear>[1], width: number, groups = 1) =>
      g.rmsNorm(name, x, g.weight(g.path(name), [width]), 1e-5, groups);
    let x = g.embed('embed', g.weight('embedding', [vocab, dim]));
    g.tap('hidden.0', x);
    for (let n = 0; n < layers; n++) {
      x = g.scope(`layers.${n}`, () => {
        const normed = norm('attn_norm', x, dim);
        let q = linear('q', normed, heads * headDim, dim);
        let k = linear('k', normed, kvHeads * headDim, dim);
        const v = linear('v', normed, kvHeads * headDim, dim);
        if (shape.qkNorm) {
          q = norm('q_norm', q, headDim, heads);
          k = norm('k_norm', k, headDim, kvHeads);
        }
        q = g.rope('q_rope', q, { heads, headDim, table });
        k = g.rope('k_rope', k, { heads: kvHeads, headDim, table });
        const mixed = g.attention('attend', [q, k, v], { heads, kvHeads, headDim, scale: headDim ** -0.5, state: g.kvState(kvHeads, headDim) });
        const h = g.add('add_attn', x, linear('o', mixed, dim, heads * headDim));
        const normed2 = norm('ffn_norm', h, dim);
        const act = g.swiglu('act', linear('gate', normed2, ffnDim, dim), linear('up', normed2, ffnDim, dim));
        return g.add('add_ffn', h, linear('down', act, dim, ffnDim));
      });
      g.tap(`hidden.${n + 1}`, x);
    }
    const last = shape.normFirst ? g.gatherRows('last', norm('norm', x, dim)) : norm('norm', g.gatherRows('last', x), dim);
    return g.linear('output', last, g.weight('output', [vocab, dim]));
  });
}

export interface SyntheticOptions {
  readonly graph: Graph;
  /** Type of a matrix by its id; vectors are f32 unless `vectorType` says otherwise. */
  readonly typeOf: (id: string) => WeightType;
  readonly vectorType?: WeightType;
  readonly kv?: Partial<KvLayout>;
  readonly maxRows?: number;
  readonly seed?: number;
}

export function syntheticRequest(options: SyntheticOptions): ProgramRequest {
  const { graph, typeOf, vectorType = 'f32', kv, maxRows = 32, seed = 1 } = options;
  const random = randomSource(seed);
  const weights = new Map<string, WeightSource>();
  for (const { id, shape } of graph.weights) {
    const isVector = shape.length === 1;
    const type = isVector ? vectorType : typeOf(id);
    const bytes = isVector
      ? encodeFloats(type, Float32Array.from({ length: shape[0] as number }, () => (id.endsWith('bias') ? 0.2 * random() - 0.1 : 0.5 + random())))
      : matrixBytes(type, shape as [number, number], random);
    weights.set(id, sourceOfBytes(id, { type, shape, bytes }));
  }
  return { graph, weights, kv: { type: 'f32', pageTokens: 8, maxPages: 64, ...kv }, maxRows };
}

export function sourceOfBytes(id: string, { type, shape, bytes }: { type: WeightType; shape: readonly number[]; bytes: Uint8Array }): WeightSource {
  return {
    id, type, shape, sizeBytes: bytes.length, origin: `tensor ${id} of synthetic`,
    async read(into) {
      into.set(bytes);
    },
  };
}

function matrixBytes(type: WeightType, [rows, cols]: [number, number], random: () => number): Uint8Array {
  if (isQuantized(type)) {
    const bytes = randomWeights(type, rows, cols, random);
    return scaleBlocks(type, bytes);
  }
  return encodeFloats(type, Float32Array.from({ length: rows * cols }, () => (random() - 0.5) * (3 / Math.sqrt(cols))));
}

/** Scales small enough that values neither vanish nor explode over a few layers. */
function scaleBlocks(type: WeightType, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  const blockBytes = bytesOfElements(type, type.endsWith('_k') ? 256 : 32);
  const [offsets, scale] = { q8_0: [[0], 0.001], q4_0: [[0], 0.015], q4_k: [[0, 2], 0.0005], q6_k: [[208], 0.00004] }[type as 'q8_0'] as [number[], number];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const offset of offsets) view.setUint16(at + offset, f32ToF16(scale * (1 + (at % 7) / 7)), true);
  }
  return bytes;
}

function encodeFloats(type: WeightType, values: Float32Array): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.buffer);
  const encode = type === 'f16' ? f32ToF16 : f32ToBf16;
  return new Uint8Array(Uint16Array.from(values, encode).buffer);
}
