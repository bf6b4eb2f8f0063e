/**
 * Attention of many rows of a sequence at once, after kv-write: softmax(q k^T scale) v by tiles with a running softmax (Dao et al.
 * 2022). A workgroup takes one query head and one tile of rows; keys and values come through workgroup memory as they are stored.
 * Tiles of keys begin at multiples of their length, whatever the step holds: a row's result does not depend on how a prompt was cut.
 * Bindings: `qkv` or `q`; `rope`, `qGain`, `pageTable`, `tiles` (attention-tiles.ts), `kv`; out `y`, or `yCodes` and `yStats`.
 */
import {
  PAGE_TABLE,
  attentionOutputBindings,
  attentionOutputFunctions,
  attentionSizes,
  headBindings,
  headFunctions,
  kvBinding,
  kvElement,
  kvFunctions,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { prefillBody } from './prefill-body.ts';

export interface AttentionPrefillVariant {
  readonly shape: AttentionShape;
  /** Query rows of a tile, a multiple of 4: an invocation has four of them. */
  readonly tileRows: number;
  /** Keys of a tile. */
  readonly tileKeys: number;
  /** tileRows / 4 sets of invocations; those of a set share four rows and divide keys, then chunks of the head, among them. */
  readonly invocations: number;
}

/** Sizes that the text is made of. */
export interface PrefillTile extends AttentionPrefillVariant {
  readonly rowGroups: number;
  /** Invocations that share four rows. */
  readonly columns: number;
  /** Chunks from one key of a tile to the next: one more than there are, so that neighbours lie in different banks. */
  readonly keyStride: number;
}

function tileOf(variant: AttentionPrefillVariant): PrefillTile {
  const { shape, tileRows, tileKeys, invocations } = variant;
  const rowGroups = tileRows / 4;
  const columns = invocations / rowGroups;
  if (!Number.isInteger(rowGroups) || !Number.isInteger(columns) || !Number.isInteger(tileKeys / columns)) {
    throw new Error(`attention-prefill: ${invocations} invocations do not divide tiles of ${tileRows} rows and ${tileKeys} keys`);
  }
  return { ...variant, rowGroups, columns, keyStride: attentionSizes(shape).chunks + 1 };
}

/** Bytes of workgroup memory: q, the tile of keys or values, weights, maxima. */
export function prefillTileBytes(variant: AttentionPrefillVariant): number {
  const { shape, tileRows, tileKeys, columns, keyStride } = tileOf(variant);
  return 16 * (tileRows * attentionSizes(shape).paddedQuads + tileKeys * keyStride) + 4 * tileRows * (tileKeys + columns);
}

/** Rows and keys of tiles to choose from, the fastest first, as an H100 ordered them at 512 and 4,096 rows (docs/experiments.md). */
const TILES: readonly (readonly [rows: number, keys: number])[] = [
  [32, 64],
  [16, 32],
  [64, 32],
  [32, 32],
  [64, 16],
  [32, 16],
  [16, 16],
  [8, 32],
  [8, 16],
  [4, 16],
  [16, 8],
  [8, 8],
  [4, 8],
];

/**
 * The best tile that fits: up to `invocations` a workgroup and `bytes` of its memory. Where any fits so, an invocation has two
 * keys or more, since each row of q that it reads then serves all of them.
 */
export function attentionPrefillVariant(
  shape: AttentionShape,
  limits: { readonly invocations: number; readonly bytes: number },
): AttentionPrefillVariant {
  const columns = Math.min(16, 1 << Math.floor(Math.log2(attentionSizes(shape).chunks)));
  const tiles = TILES.map(([tileRows, tileKeys]) => ({ shape, tileRows, tileKeys, invocations: (tileRows / 4) * columns }));
  const fitting = tiles.filter(
    (tile) => tile.tileKeys % columns === 0 && tile.invocations <= limits.invocations && prefillTileBytes(tile) <= limits.bytes,
  );
  const chosen = fitting.find(({ tileKeys }) => tileKeys >= 2 * columns) ?? fitting[0];
  if (chosen === undefined) throw new Error(`attention-prefill: no tile of headDim ${shape.headDim} fits ${limits.bytes} bytes`);
  return chosen;
}

export function attentionPrefillKernel(variant: AttentionPrefillVariant): Kernel {
  const tile = tileOf(variant);
  const { shape, tileRows, tileKeys, invocations } = tile;
  if (shape.window !== undefined && shape.causal === false) throw new Error('attention-prefill: a window without causality has no form');
  const tiles: Binding = { name: 'tiles', access: 'read', type: 'array<vec4<u32>>' };
  const bindings = [...headBindings(shape, ['q']), PAGE_TABLE, tiles, kvBinding(shape, 'read'), ...attentionOutputBindings(shape)];
  const wgsl = `${kernelHeader(bindings, {})}
${headFunctions(shape, ['q'])}
${kvFunctions(shape)}
${attentionOutputFunctions(shape)}
var<workgroup> queries: array<vec4<f32>, ${tileRows * attentionSizes(shape).paddedQuads}>;
var<workgroup> stored: array<${kvElement(shape)}, ${tileKeys * tile.keyStride}>;
var<workgroup> weights: array<vec4<f32>, ${tileKeys * tile.rowGroups}>;
var<workgroup> maxima: array<vec4<f32>, ${tile.columns * tile.rowGroups}>;
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
${prefillBody(tile)}
}
`;
  const label = `attention-prefill ${shape.kv} [${shape.heads}/${shape.kvHeads}, ${shape.headDim}] ${tileRows}x${tileKeys}`;
  return {
    key: kernelKey('attention-prefill', variant),
    label,
    wgsl,
    bindings,
    workgroupSize: invocations,
    workgroupBytes: prefillTileBytes(variant),
    needs: {},
  };
}

/** `tiles` must be the number of tiles exactly. */
export function attentionPrefillWorkgroups({ shape }: AttentionPrefillVariant, { tiles }: { readonly tiles: number }): Workgroups {
  return [shape.heads, tiles, 1];
}
