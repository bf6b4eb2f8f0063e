/**
 * Keys and values that are in no cache, as attention on matrix units reads them (attention-shape.ts, `dense`): in its type, of each head
 * the key and the value beside each other, with zeros up to whole matrices. Of halves, what is larger than 65,504 is that. An invocation
 * writes a chunk.
 * Bindings: `k` f32 [keys, kvHeads * keyDim], `v` f32 [keys, kvHeads * valueDim], `kv`, `step` with the number of keys.
 */
import { attentionSizes, chunkOf, dividedBy, headBindings, kvBinding, kvText, remainderOf, widthsText } from '../../attention-shape.ts';
import type { AttentionShape, HeadSizes } from '../../attention-shape.ts';
import { kernelKey } from '../../kernel.ts';
import type { Kernel, Workgroups } from '../../kernel.ts';
import { cacheHalves } from '../../wgsl/cache-halves.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';
import { range } from '../../wgsl/expressions.ts';

const INVOCATIONS = 64;

function piecesOf(shape: AttentionShape): RowPieces {
  const { key, value } = attentionSizes(shape);
  return { rows: {}, pieces: shape.kvHeads * (key.chunks + value.chunks), workgroupSize: INVOCATIONS };
}

/** Bytes of the keys and values of so many rows. */
export function matrixKeysBytes(shape: AttentionShape, keys: number): number {
  return 16 * keys * piecesOf(shape).pieces;
}

export function matrixKeysKernel(shape: AttentionShape): Kernel {
  const { kvHeads, keyDim, valueDim, kv } = shape;
  const { key, value, quadsOfChunk } = attentionSizes(shape);
  const each = range(quadsOfChunk);
  const chunk = chunkOf(shape, each.map((i) => `x${i}`));
  // Halves are this kernel's own way and no cache: they end at 65,504, where `cacheHalves` alone would make infinity.
  const held = kv === 'f32' ? '' : each.map((i) => `  x${i} = clamp(x${i}, vec4<f32>(-65504.0), vec4<f32>(65504.0));\n`).join('');
  const read = (name: 'k' | 'v', { quads }: HeadSizes, chunkOfPart: string) => each.map((i) => {
    const quad = `(${chunkOfPart}) * ${quadsOfChunk}u + ${i}u`;
    return `    if (${quad} < ${quads}u) { x${i} = ${name}[(row * ${kvHeads}u + head) * ${quads}u + ${quad}]; }`;
  }).join('\n');
  return rowPiecesKernel({
    key: kernelKey('matrix-keys', { kvHeads, keyDim, valueDim, kv }),
    label: `matrix-keys ${kvText(shape)} [${kvHeads}, ${widthsText(shape)}]`,
    pieces: piecesOf(shape),
    bindings: [...headBindings(shape, ['k', 'v']), kvBinding(shape, 'write')],
    functions: kv === 'f32' ? [] : [cacheHalves('bits')],
    body: `  let head = ${dividedBy('piece', key.chunks + value.chunks)};
  let chunk = ${remainderOf('piece', key.chunks + value.chunks)};
${each.map((i) => `  var x${i} = vec4<f32>();`).join('\n')}
  if (chunk < ${key.chunks}u) {
${read('k', key, 'chunk')}
  } else {
${read('v', value, `chunk - ${key.chunks}u`)}
  }
${held}  kv[row * ${kvHeads * (key.chunks + value.chunks)}u + piece] = ${chunk};`,
  });
}

export function matrixKeysWorkgroups(shape: AttentionShape, keys: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(shape), keys);
}
