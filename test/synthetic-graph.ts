/** Small decoder graphs with random weights, for comparing executors: any widths, types and head shapes. */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { KvLayout, ProgramRequest, WeightSource } from '../src/graph/executor.ts';
import type { Graph } from '../src/graph/graph.ts';
import { modelOfDecoder } from '../src/graph/model-graphs.ts';
import type { ModelGraphs } from '../src/graph/model-graphs.ts';
import { gated } from '../src/graph/ops/activation.ts';
import type { ActivationName } from '../src/graph/ops/activation.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { rope } from '../src/graph/ops/rope.ts';
import type { RopeTable } from '../src/graph/ops/rope.ts';
import type { Value } from '../src/graph/value.ts';
import { randomWeights, randomSource } from '../src/tensor/codec/random-weights.ts';
import { scalePlaces } from '../src/tensor/formats/scale-places.ts';
import { putScale } from '../src/tensor/formats/scale-values.ts';
import { subScalesOf } from '../src/tensor/formats/sub-scales.ts';
import { codeValues } from '../src/tensor/formats/weight-format.ts';
import type { BlockFormat } from '../src/tensor/formats/weight-format.ts';
import { formatOf } from '../src/tensor/formats/weight-formats.ts';
import { f32ToBf16, f32ToF16 } from '../src/tensor/half.ts';
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
  /** Of the gate; default silu. */
  readonly activation?: ActivationName;
  readonly bias?: boolean;
  /** Values of a head that turn; default headDim. */
  readonly rotaryDim?: number;
  /** The final norm before the last rows are gathered, instead of after. */
  readonly normFirst?: boolean;
  /** Default true. */
  readonly causal?: boolean;
  /** The window of each layer's attention; default none. */
  readonly windows?: readonly (number | undefined)[];
  /** Width of a value; default headDim. */
  readonly valueDim?: number;
  /** Widths of the keys and values of each layer, which differ from layer to layer; default headDim and valueDim in all. */
  readonly headDims?: readonly (readonly [keyDim: number, valueDim: number])[];
}

export const TINY: SyntheticShape = { layers: 2, dim: 64, heads: 4, kvHeads: 2, headDim: 16, ffnDim: 96, vocab: 50 };

/** One table for each number of frequencies. */
function tableOf(tables: Map<number, RopeTable>, half: number): RopeTable {
  const table = tables.get(half) ?? {
    id: tables.size === 0 ? 'rope' : `rope.${half}`,
    frequencies: Float64Array.from({ length: half }, (_, i) => 10000 ** (-i / half)),
  };
  tables.set(half, table);
  return table;
}

export function syntheticGraph(shape: SyntheticShape): Graph {
  const { layers, dim, heads, kvHeads, ffnDim, vocab } = shape;
  const tables = new Map<number, RopeTable>();
  return buildGraph('synthetic', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const product = (name: string, x: Value, [out, width]: [number, number]) =>
      linear(g, name, x, g.weight(g.path(name), [out, width]), shape.bias ? g.weight(g.path(`${name}.bias`), [out]) : undefined);
    const norm = (name: string, x: Value, width: number, groups = 1) =>
      rmsNorm(g, name, x, { weight: g.weight(g.path(name), [width]), eps: 1e-5, groups });
    let x = embed(g, 'embed', tokens, g.weight('embedding', [vocab, dim]));
    g.tap('hidden.0', x);
    for (let n = 0; n < layers; n++) {
      const [headDim, valueDim] = shape.headDims?.[n] ?? [shape.headDim, shape.valueDim ?? shape.headDim];
      const table = tableOf(tables, (shape.rotaryDim ?? headDim) / 2);
      x = g.scope(`layers.${n}`, () => {
        const normed = norm('attn_norm', x, dim);
        let q = product('q', normed, [heads * headDim, dim]);
        let k = product('k', normed, [kvHeads * headDim, dim]);
        const v = product('v', normed, [kvHeads * valueDim, dim]);
        if (shape.qkNorm) {
          q = norm('q_norm', q, headDim, heads);
          k = norm('k_norm', k, headDim, kvHeads);
        }
        q = rope(g, 'q_rope', q, { heads, headDim, table, positions });
        k = rope(g, 'k_rope', k, { heads: kvHeads, headDim, table, positions });
        const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim, window: shape.windows?.[n] });
        const mixed = attention(g, 'attend', [q, k, v], {
          positions,
          heads,
          scale: headDim ** -0.5,
          state,
          causal: shape.causal,
        });
        const h = add(g, 'add_attn', x, product('o', mixed, [dim, heads * valueDim]));
        const normed2 = norm('ffn_norm', h, dim);
        const gateAndUp = [product('gate', normed2, [ffnDim, dim]), product('up', normed2, [ffnDim, dim])] as const;
        const act = gated(g, 'act', shape.activation ?? 'silu', gateAndUp);
        return add(g, 'add_ffn', h, product('down', act, [dim, ffnDim]));
      });
      g.tap(`hidden.${n + 1}`, x);
    }
    const last = shape.normFirst
      ? gatherRows(g, 'last', norm('norm', x, dim), outIndices)
      : norm('norm', gatherRows(g, 'last', x, outIndices), dim);
    g.output('logits', linear(g, 'output', last, g.weight('output', [vocab, dim])));
  });
}

export interface SyntheticOptions {
  /** A decoder, or a whole model. */
  readonly graph: Graph | ModelGraphs;
  /** Type of a matrix by its id; vectors are f32 unless `vectorType` says otherwise. */
  readonly typeOf: (id: string) => WeightType;
  readonly vectorType?: WeightType;
  readonly kv?: Partial<KvLayout>;
  readonly maxRows?: number;
  readonly seed?: number;
  /** What the values of a weight, which is then f32, are multiplied with. */
  readonly scaleOf?: (id: string) => number;
}

export function syntheticRequest(options: SyntheticOptions): ProgramRequest {
  const { typeOf, vectorType = 'f32', kv, maxRows = 32, seed = 1, scaleOf } = options;
  const random = randomSource(seed);
  const weights = new Map<string, WeightSource>();
  const model = 'graphs' in options.graph ? options.graph : modelOfDecoder(options.graph);
  for (const { id, shape } of model.weights) {
    const isVector = shape.length === 1;
    const type = isVector ? vectorType : typeOf(id);
    const bytes = isVector
      ? encodeFloats(
          type,
          Float32Array.from({ length: shape[0] as number }, () => (id.endsWith('bias') ? 0.2 * random() - 0.1 : 0.5 + random())),
        )
      : matrixBytes(type, [shape.slice(0, -1).reduce((rows, size) => rows * size, 1), shape.at(-1) as number], random);
    const scale = scaleOf?.(id) ?? 1;
    if (scale !== 1) new Float32Array(bytes.buffer).forEach((value, i, all) => (all[i] = value * scale));
    weights.set(id, sourceOfBytes(id, { type, shape, bytes }));
  }
  return { model, weights, kv: { type: 'f32', pageTokens: 8, maxPages: 64, ...kv }, sizes: { rows: maxRows } };
}

export function sourceOfBytes(
  id: string,
  { type, shape, bytes }: { type: WeightType; shape: readonly number[]; bytes: Uint8Array },
): WeightSource {
  return {
    id,
    type,
    shape,
    sizeBytes: bytes.length,
    origin: `tensor ${id} of synthetic`,
    async read(byteOffset, into) {
      into.set(bytes.subarray(byteOffset, byteOffset + into.length));
    },
  };
}

function matrixBytes(type: WeightType, [rows, cols]: [number, number], random: () => number): Uint8Array {
  const format = formatOf(type);
  if (format.kind === 'block') return scaleBlocks(format, randomWeights(type, rows, cols, random));
  return encodeFloats(type, Float32Array.from({ length: rows * cols }, () => (random() - 0.5) * (3 / Math.sqrt(cols))));
}

/** Scales small enough that values neither vanish nor explode over a few layers; values lie on both sides of zero. */
function scaleBlocks(format: BlockFormat, bytes: Uint8Array): Uint8Array {
  const { scale, minimum, blockBytes } = format;
  const largest = Math.max(...codeValues(format).filter(Number.isFinite).map(Math.abs));
  const steps = scale.levels === 1 ? 1 : subScalesOf(scale.subPacking).most;
  // Of symmetric formats up to 0.128 on both sides, and of others from 0 to 0.256, less 0.128.
  const size = 0.128 / steps;
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const factor = size * (1 + (at % 7) / 7);
    for (const { format: floats, offset, isMinimum } of scalePlaces(format)) {
      const value = isMinimum ? -(minimum?.sign as number) * factor : ((minimum ? 2 : 1) * factor) / largest;
      putScale(floats, bytes, at + offset, value);
    }
  }
  return bytes;
}

function encodeFloats(type: WeightType, values: Float32Array): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.buffer);
  const encode = type === 'f16' ? f32ToF16 : f32ToBf16;
  return new Uint8Array(Uint16Array.from(values, encode).buffer);
}
