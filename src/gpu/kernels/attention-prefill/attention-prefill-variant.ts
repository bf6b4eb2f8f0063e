/** What prefill attention is made from, and which tile a device has room for. */
import { attentionSizes, kvElement } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { workgroupBytesOf } from '../../kernel.ts';

export interface AttentionPrefillVariant {
  readonly shape: AttentionShape;
  /** Query rows of a tile, a multiple of 4: an invocation has four of them. */
  readonly tileRows: number;
  /** Keys of a tile. */
  readonly tileKeys: number;
  /** tileRows / 4 sets of invocations; those of a set share four rows and divide keys, then chunks of the value, among them. */
  readonly invocations: number;
  /** True: keys and values are read where they lie, for heads of which no tile of them fits workgroup memory beside the queries. */
  readonly unstaged?: true | undefined;
  /** Rows of the tiles that the host lists, where they are more than the kernel's own: a multiple of them. */
  readonly listedRows?: number | undefined;
}

/** Sizes that the text is made of. */
export interface PrefillTile extends AttentionPrefillVariant {
  readonly rowGroups: number;
  /** Invocations that share four rows. */
  readonly columns: number;
  /** Chunks from one key (or value) of a tile to the next: one more than there are, so that neighbours lie in different banks. */
  readonly stride: number;
  /** Quads from one row of `queries` to the next: q, and at the end a result that is to be rounded. */
  readonly rowQuads: number;
}

export function prefillTile(variant: AttentionPrefillVariant): PrefillTile {
  const { shape, tileRows, tileKeys, invocations } = variant;
  const rowGroups = tileRows / 4;
  const columns = invocations / rowGroups;
  if (!Number.isInteger(rowGroups) || !Number.isInteger(columns) || !Number.isInteger(tileKeys / columns)) {
    throw new Error(`attention-prefill: ${invocations} invocations do not divide tiles of ${tileRows} rows and ${tileKeys} keys`);
  }
  const { key, value, mostChunks } = attentionSizes(shape);
  return { ...variant, rowGroups, columns, stride: mostChunks + 1, rowQuads: Math.max(key.paddedQuads, value.paddedQuads) };
}

/**
 * Workgroup memory: q [tileRows][rowQuads], the tile of keys or values [tileKeys][stride], weights [tileKeys][rowGroups] and maxima
 * [columns][rowGroups] of four rows each.
 */
export function prefillMemory(variant: AttentionPrefillVariant): string {
  const { shape, tileRows, tileKeys, rowGroups, columns, stride, rowQuads, unstaged } = prefillTile(variant);
  return [
    `var<workgroup> queries: array<vec4<f32>, ${tileRows * rowQuads}>;`,
    ...(unstaged ? [] : [`var<workgroup> stored: array<${kvElement(shape)}, ${tileKeys * stride}>;`]),
    `var<workgroup> weights: array<vec4<f32>, ${tileKeys * rowGroups}>;`,
    `var<workgroup> maxima: array<vec4<f32>, ${columns * rowGroups}>;`,
  ].join('\n');
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

/** The same without room for keys. */
const UNSTAGED_TILES: typeof TILES = [[8, 32], [4, 32], [4, 16]];

export interface PrefillLimits {
  /** Of a workgroup. */
  readonly invocations: number;
  /** Of a workgroup's memory: those that leave room for several workgroups at a time, and all that there are. */
  readonly bytes: number;
  readonly mostBytes: number;
}

/**
 * The best tile that fits, undefined where none does. Where any fits so, an invocation has two keys or more, since each row of q that it
 * reads then serves all of them.
 */
export function attentionPrefillVariant(shape: AttentionShape, limits: PrefillLimits): AttentionPrefillVariant | undefined {
  const columns = Math.min(16, 1 << Math.floor(Math.log2(attentionSizes(shape).value.chunks)));
  const fitting = (tiles: typeof TILES, bytes: number, unstaged?: true) =>
    tiles
      .map(([tileRows, tileKeys]) => ({ shape, tileRows, tileKeys, invocations: (tileRows / 4) * columns, ...(unstaged && { unstaged }) }))
      .filter(
        (tile) => tile.tileKeys % columns === 0 && tile.invocations <= limits.invocations && workgroupBytesOf(prefillMemory(tile)) <= bytes,
      );
  const best = (tiles: readonly AttentionPrefillVariant[]) => tiles.find(({ tileKeys }) => tileKeys >= 2 * columns) ?? tiles[0];
  return (
    best(fitting(TILES, limits.bytes)) ?? best(fitting(TILES, limits.mostBytes)) ?? best(fitting(UNSTAGED_TILES, limits.mostBytes, true))
  );
}
