/**
 * Keys (after norm and rotation) and values (after their norm) of all rows of a step into the cache, at their positions; pads become zeros.
 * An invocation writes one chunk of a key and the same chunk of the value, or with codes 32 values of both, whose scales are a word, and
 * sums the heads' squares by itself: no barrier.
 * Bindings: `qkv` or `k` and `v`, `rope`, `kGain`, `positions`, `rowSequence`, `pageTable`, `kv`, `step`.
 */
import {
  ROW_BINDINGS,
  attentionSizes,
  cachedPart,
  chunkOf,
  dividedBy,
  hasCodes,
  headBindings,
  turnOf,
  headFunctions,
  headQuadAt,
  headSource,
  kvBinding,
  kvFunctions,
  kvText,
  placeFunctions,
  remainderOf,
  valuesAfterKeys,
  widthsText,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { CODING_FUNCTIONS, codedSpans, spanText } from '../../coded-cache.ts';
import type { WrittenPart } from '../../coded-cache.ts';
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { cacheHalves } from '../../wgsl/cache-halves.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';
import { range } from '../../wgsl/expressions.ts';

export interface KvWriteVariant {
  readonly shape: AttentionShape;
  readonly invocations: number;
}

function piecesOf({ shape, invocations }: KvWriteVariant): RowPieces {
  const { keyDim, valueDim } = shape;
  const pieces = hasCodes(shape) ? codedSpans([keyDim, valueDim]) : attentionSizes(shape).mostChunks;
  return { rows: { }, pieces: shape.kvHeads * pieces, workgroupSize: invocations };
}

/** What the text does not depend on. */
const OF_QUERIES = {
  q: undefined, output: undefined, scale: undefined, softcap: undefined, sinks: undefined, temperature: undefined, window: undefined,
  causal: undefined,
} as const satisfies Partial<Record<keyof AttentionShape, undefined>>;

function keyOf({ shape, invocations }: KvWriteVariant): string {
  return kernelKey('kv-write', { ...shape, ...OF_QUERIES, invocations });
}

export function kvWriteKernel(variant: KvWriteVariant): Kernel {
  const { shape } = variant;
  return rowPiecesKernel({
    key: keyOf(variant), label: `kv-write ${kvText(shape)} [${shape.kvHeads}, ${widthsText(shape)}]`,
    pieces: piecesOf(variant),
    bindings: [...headBindings(shape, ['k', 'v']), ...ROW_BINDINGS, hasCodes(shape) ? WORDS : kvBinding(shape, 'write')],
    functions: [
      headFunctions(shape, ['k', 'v']), ...(hasCodes(shape) ? [placeFunctions(shape), CODING_FUNCTIONS] : [kvFunctions(shape)]),
      ...([shape.kv, shape.valueKv].includes('f16') ? [cacheHalves(shape.halves)] : []),
    ],
    body: hasCodes(shape) ? codedBody(shape) : writeBody(shape),
  });
}

/** A cache with codes is written word by word: scales of two groups share one, which one invocation has. */
const WORDS: Binding = { name: 'kv', access: 'write', type: 'array<u32>' };

function codedBody(shape: AttentionShape): string {
  const { keyDim, valueDim } = shape;
  const spans = codedSpans([keyDim, valueDim]);
  const value = (quad: string) =>
    shape.v ? `vQuad(valueFrom, ${quad}, valueFactor, position)` : `${headSource(shape, 'v')}[valueFrom + ${quad}]`;
  const key = (quad: string) => `kQuad(keyFrom, ${quad}, factor, ${turnOf(shape, 'position', 'row')})`;
  const parts: readonly WrittenPart[] = [
    { ...cachedPart(shape, 'key'), name: 'key', offset: 0, quad: key },
    { ...cachedPart(shape, 'value'), name: 'value', offset: valuesAfterKeys(shape), quad: value },
  ];
  return `  let kvHead = ${dividedBy('piece', spans)};
  let span = ${remainderOf('piece', spans)};
  let position = positions[row];
${fromText(shape)}
  let at = keyAt(rowSequence[row], kvHead, position) * ${cachedPart(shape, 'key').unitBytes / 4}u;
${parts.map(spanText).join('\n')}`;
}

/** Where a head's key and value come from, and the factors of their norms. */
function fromText(shape: AttentionShape): string {
  return `  let keyFrom = ${headQuadAt(shape, { name: 'k', row: 'row', head: 'kvHead' })};
  let valueFrom = ${headQuadAt(shape, { name: 'v', row: 'row', head: 'kvHead' })};
  let factor = ${shape.k.norm ? 'kFactor(keyFrom)' : '1.0'};${shape.v ? '\n  let valueFactor = vFactor(valueFrom);' : ''}`;
}

function writeBody(shape: AttentionShape): string {
  const { key: own, value: ownValue, quadsOfChunk, mostChunks: chunks } = attentionSizes(shape);
  const { quads, paddedQuads } = own;
  const each = range(quadsOfChunk);
  const lines = each.flatMap((i) => {
    const key = `kQuad(keyFrom, quad + ${i}u, factor, ${turnOf(shape, 'position', 'row')})`;
    const value = shape.v
      ? `vQuad(valueFrom, quad + ${i}u, valueFactor, position)`
      : `${headSource(shape, 'v')}[valueFrom + quad + ${i}u]`;
    if (shape.keyDim !== shape.valueDim) {
      const within = (name: string, { quads: count }: typeof own, text: string) =>
        [`  var ${name}${i} = vec4<f32>();`, `  if (quad + ${i}u < ${count}u) { ${name}${i} = ${text}; }`];
      return [...within('key', own, key), ...within('value', ownValue, value)];
    }
    if (paddedQuads === quads) return [`  let key${i} = ${key};`, `  let value${i} = ${value};`];
    return [
      `  var key${i} = vec4<f32>();`,
      `  var value${i} = vec4<f32>();`,
      `  if (quad + ${i}u < ${quads}u) {`,
      `    key${i} = ${key};`,
      `    value${i} = ${value};`,
      '  }',
    ];
  });
  const store = (name: string, { chunks: count }: typeof own, place: string) => {
    const text = `kv[${place}] = ${chunkOf(shape, each.map((i) => `${name}${i}`))};`;
    return count === chunks ? text : `if (chunk < ${count}u) { ${text} }`;
  };
  return `  let kvHead = ${dividedBy('piece', chunks)};
  let chunk = ${remainderOf('piece', chunks)};
  let quad = chunk * ${quadsOfChunk}u;
  let position = positions[row];
${fromText(shape)}
${lines.join('\n')}
  let at = keyAt(rowSequence[row], kvHead, position) + chunk;
  ${store('key', own, 'at')}
  ${store('value', ownValue, `at + ${valuesAfterKeys(shape)}u`)}`;
}

export function kvWriteWorkgroups(variant: KvWriteVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
