/**
 * Attention of many rows of a sequence on subgroup matrices, whose keys and values are in the cache (kv-write): softmax(q k^T scale) v by
 * tiles with a running softmax (Dao et al. 2022), rescaled only where a row's maximum has grown by 8 powers of two. A workgroup takes a
 * tile of rows of some query heads of one key head: a subgroup has a block of rows of one head, its queries and its results in matrices.
 * Keys and values come through workgroup memory; scores go through it to the lanes that have their row, and back as weights. Tiles of keys
 * begin at multiples of their length, so that a row's result does not depend on how a prompt was cut, unless keys are divided over
 * workgroups.
 *
 * Queries of any size go through f16: the values of a row are divided by a power of two, and its scores multiplied by it, in f32.
 * Without a cache (attention-shape.ts, `dense`) keys and values are what matrix-keys.ts wrote, all rows are one sequence, and every row
 * sees every key. Bindings then: `q`, `kv`, `y`, `step` with the number of rows, `keys` with that of keys.
 * Bindings: `qkv` or `q`; `rope`, `qGain`, `pageTable`, `tiles` (attention-tiles.ts), `kv`, `sinks`; out `y`, or `yCodes` and `yStats`, or
 * `partials`.
 */
import { scoreFunctions, sinkBindings } from '../../attention-scores.ts';
import {
  PAGE_TABLE, attentionOutputBindings, attentionOutputFunctions, headBindings, headFunctions, headsText, kvBinding, kvFunctions,
} from '../../attention-shape.ts';
import { kernelHeader, kernelKey, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { MATRIX_LANES, matrixArguments, matrixEnables, matrixFunctions, matrixNeeds, matrixStart } from '../../wgsl/subgroup-matrix.ts';
import { matrixMemory, matrixTile } from './attention-matrix-variant.ts';
import type { AttentionMatrixVariant, MatrixTile } from './attention-matrix-variant.ts';
import { matrixBody, MEMORIES } from './matrix-body.ts';

const KEYS_BINDING: Binding = { ...STEP_BINDING, name: 'keys' };

function bindingsOf({ shape, keySplits }: AttentionMatrixVariant): readonly Binding[] {
  const tiles: Binding = { name: 'tiles', access: 'read', type: 'array<vec4<u32>>' };
  const ends: readonly Binding[] = keySplits
    ? [{ name: 'partials', access: 'write', type: 'array<vec4<f32>>' }]
    : [...sinkBindings(shape), ...attentionOutputBindings(shape)];
  if (shape.dense) return [...headBindings(shape, ['q']), kvBinding(shape, 'read'), ...ends, STEP_BINDING, KEYS_BINDING];
  return [...headBindings(shape, ['q']), PAGE_TABLE, tiles, kvBinding(shape, 'read'), ...ends];
}

/** Which lane of its subgroup an invocation is, `member`: an argument of `main`, or a statement. */
const MEMBER_ARGUMENT = ', @builtin(subgroup_invocation_id) member: u32';
const MEMBER_TEXT = `let member = lane % ${MATRIX_LANES}u;\n`;

export function attentionMatrixKernel(variant: AttentionMatrixVariant): Kernel {
  const tile = matrixTile(variant);
  const { shape, matrix, keySplits, invocations } = tile;
  const bindings = bindingsOf(variant);
  const wgsl = `${matrixEnables(matrix)}${kernelHeader(bindings, {})}${shape.dense ? STEP_STRUCT : ''}
${headFunctions(shape, ['q'])}
${kvFunctions(shape)}
${scoreFunctions(shape, 'vec4<f32>')}${keySplits ? '' : attentionOutputFunctions(shape)}
${matrixMemory(tile)}
${matrixFunctions(matrix, MEMORIES)}
${laneFunctions(tile)}
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}${matrixArguments(matrix)}${matrix.emulated ? '' : MEMBER_ARGUMENT}) {
${matrixStart(matrix)}
${matrix.emulated ? MEMBER_TEXT : ''}${matrixBody(tile)}
}
`;
  return {
    key: kernelKey('attention-matrix', variant), label: labelOf(tile), wgsl, bindings, workgroupSize: invocations,
    needs: matrixNeeds(matrix),
  };
}

function labelOf({ shape, matrix, tileHeads, tileRows, tileKeys, rowBlocks, keySplits }: MatrixTile): string {
  const split = keySplits ? ` split ${keySplits}` : '';
  const name = shape.dense ? 'full-attention-matrix' : 'attention-matrix';
  const by = rowBlocks === 1 ? '' : ` by ${rowBlocks}`;
  return `${name} ${matrix.input} [${headsText(shape)}] ${tileHeads}x${tileRows}x${tileKeys}${by}${split}`;
}

/** `fn rowMost(x) -> f32` and `fn rowTotal(x) -> f32`: over the lanes of a subgroup that share a row. All invocations call them. */
function laneFunctions({ matrix, rowLanes }: MatrixTile): string {
  const steps = Array.from({ length: Math.log2(rowLanes) }, (_, i) => matrix.m << i);
  if (!matrix.emulated) {
    const over = (name: string, join: (other: string) => string) =>
      `fn ${name}(x: f32) -> f32 {\n  var own = x;\n${steps.map((by) => `  own = ${join(`subgroupShuffleXor(own, ${by}u)`)};`).join('\n')}
  return own;
}`;
    return `${over('rowMost', (other) => `max(own, ${other})`)}\n${over('rowTotal', (other) => `own + ${other}`)}`;
  }
  const over = (name: string, join: string) => `fn ${name}(x: f32, lane: u32) -> f32 {
  exchanged[lane] = x;
  workgroupBarrier();
  var own = x;
  for (var i = 1u; i < ${rowLanes}u; i++) {
    let other = exchanged[(lane & ~${MATRIX_LANES - 1}u) | ((lane + i * ${matrix.m}u) & ${MATRIX_LANES - 1}u)];
    own = ${join};
  }
  workgroupBarrier();
  return own;
}`;
  return `${over('rowMost', 'max(own, other)')}\n${over('rowTotal', 'own + other')}`;
}

/** Of {@link AttentionShape.dense}. */
export function denseAttentionWorkgroups({ shape, tileHeads, tileRows }: AttentionMatrixVariant, rows: number): Workgroups {
  return [Math.max(1, Math.ceil(rows / tileRows)), shape.heads / tileHeads, 1];
}

/** `tiles` must be the number of tiles exactly. */
export function attentionMatrixWorkgroups(
  { shape, tileHeads, tileRows, keySplits = 1, listedRows = tileRows }: AttentionMatrixVariant,
  { tiles }: { readonly tiles: number },
): Workgroups {
  return [shape.heads / tileHeads, tiles * (listedRows / tileRows), keySplits];
}

