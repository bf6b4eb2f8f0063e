/**
 * Which kernels compute a product: int8 GEMV, float GEMV, GEMM on matrix units or without, by the types of its input and weights and the
 * number of its rows.
 */
import { gemmKernel, gemmWorkgroups } from '../kernels/gemm/gemm.ts';
import type { GemmVariant } from '../kernels/gemm/gemm.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from '../kernels/gemv-float/gemv-float.ts';
import type { GemvFloatVariant } from '../kernels/gemv-float/gemv-float.ts';
import { gemvInt8Kernel, gemvInt8Workgroups } from '../kernels/gemv-int8/gemv-int8.ts';
import type { GemvInt8Variant } from '../kernels/gemv-int8/gemv-int8.ts';
import {
  combineOf, matrixCombineKernel, matrixCombineWorkgroups, partialBytes, unfinishedShape,
} from '../kernels/matrix-gemm/matrix-combine.ts';
import { hasRoomFor, matrixGemmKernel, matrixGemmWorkgroups, takesMatrixUnits } from '../kernels/matrix-gemm/matrix-gemm.ts';
import { isInParts } from '../kernels/matrix-gemm/matrix-geometry.ts';
import type { MatrixGemmVariant } from '../kernels/matrix-gemm/matrix-gemm.ts';
import { matrixRowsKernel, matrixRowsWorkgroups } from '../kernels/matrix-gemm/matrix-rows.ts';
import { leastRows, tilingsFor } from '../kernels/matrix-gemm/matrix-table.ts';
import type { TiledRows } from '../kernels/matrix-gemm/matrix-table.ts';
import { depthOf, int8Form } from './int8-form.ts';
import { workgroupBytesOf } from '../kernel.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { matrixRows } from '../linear-shape.ts';
import type { LinearShape } from '../linear-shape.ts';
import { blocksOf } from '../wgsl/weight-codes.ts';
import type { UseOptions } from '../plan/gpu-op-rules.ts';
import type { RowClass } from '../plan/kernel-use.ts';
import type { DeviceProfile, ProfileKnobs } from '../profile/device-profile.ts';

export interface ProductKernel {
  readonly kernel: Kernel;
  /** For so many rows of x; none where another kernel of the product is for those. */
  readonly workgroups: (rows: number) => Workgroups;
  /** Most bytes of partial results that it writes, its `y`; the next kernel reads them. */
  readonly partialBytes?: number | undefined;
  /** Values of a row of x that it leaves as halves, its `xHalves`, which the next kernel reads. */
  readonly halvesWidth?: number | undefined;
}

/** Whether GEMVs of 5 to 8 rows are faster than matrix units, whose tiles are half empty and wait for sums of their parts. */
function suitsGemv(shape: LinearShape, { gemvInt8 }: ProfileKnobs): boolean {
  const { parts, input, experts, cols } = shape;
  return input !== 'f32' && experts === undefined && cols >= gemvInt8.eightFromCols && parts.every((part) => !blocksOf(part).hasMinimum);
}

function int8Variant(shape: LinearShape, batch: 1 | 2 | 4 | 8, { profile }: UseOptions, hasPasses = false): GemvInt8Variant {
  const { subgroupSize, knobs, invocations } = profile;
  if (subgroupSize === undefined)
    return {
      shape,
      batch,
      subgroupSize,
      rowsPerWorkgroup: knobs.gemvInt8.flatInvocations,
      lanesPerRow: 1,
      rowsPerSlot: 1,
      unroll: 1,
    };
  const options = { shape, batch, subgroupSize, hasPasses, knobs: knobs.gemvInt8 };
  const { subgroupsPerRow, rowsPerSlot: wanted, unroll, ...form } = int8Form(options);
  const lanesPerRow = subgroupSize * subgroupsPerRow;
  const rowsPerSlot = Math.max(wanted, (form.rowsPerWorkgroup * lanesPerRow) / invocations) as 1 | 2 | 4;
  const groupsPerLane = Math.ceil(depthOf(shape) / 32 / lanesPerRow);
  return { shape, batch, subgroupSize, lanesPerRow, rowsPerSlot, ...form, unroll: Math.min(unroll, groupsPerLane) };
}

function floatVariant(shape: LinearShape, batch: 1 | 2 | 4 | 8, { profile }: UseOptions): GemvFloatVariant {
  const { subgroupSize, knobs, activations } = profile;
  const { arithmetic, rowsPerTeam, teams, flatInvocations } = knobs.gemvFloat;
  const rows = { shape, batch, arithmetic: activations === 'f16' ? 'f16' : arithmetic, rowsPerTeam } as const;
  if (subgroupSize !== undefined) return { ...rows, reduction: 'subgroup', lanes: subgroupSize, teams };
  if (knobs.gemvFloat.flatLanes === 1) return { ...rows, reduction: 'none', lanes: 1, rowsPerTeam: 1, teams: flatInvocations };
  return { ...rows, reduction: 'workgroup', lanes: knobs.gemvFloat.flatLanes, teams };
}

function gemmVariant(shape: LinearShape, { profile }: UseOptions, expertRows: number): GemmVariant {
  const arithmetic = shape.input === 'f32' ? 'f32' : 'int8';
  const { tileRows: most, tileCols, tileDepth, rowsPerInvocation } = profile.knobs.gemm[arithmetic];
  const tileRows = shape.experts ? expertRows : most;
  let variant: GemmVariant = { shape, arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation };
  for (let next: GemmVariant | undefined = variant; next !== undefined; next = smallerTile(next)) {
    variant = next;
    const { wgsl, workgroupSize } = gemmKernel(variant);
    if (workgroupBytesOf(wgsl) <= profile.workgroupBytes && workgroupSize <= profile.invocations) break;
  }
  return variant;
}

/** The next smaller tile: less deep, then fewer rows, then fewer columns; undefined where there is none. */
function smallerTile(variant: GemmVariant): GemmVariant | undefined {
  const { arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation } = variant;
  if (tileDepth > (arithmetic === 'int8' ? 32 : 16)) return { ...variant, tileDepth: tileDepth / 2 };
  if (tileRows > rowsPerInvocation && !variant.shape.experts) return { ...variant, tileRows: tileRows / 2 };
  return tileCols > 32 ? { ...variant, tileCols: 32 } : undefined;
}

/** Pairs of a tile of a product with experts: few, for most of an expert's last tile is empty. */
const EXPERT_TILE_ROWS = 32;

/** Of experts with many rows; the same for all arithmetics, since all products of a layer read one list. */
export function expertTileRows({ knobs: { gemm } }: Pick<DeviceProfile, 'knobs'>): number {
  return Math.min(EXPERT_TILE_ROWS, gemm.int8.tileRows, gemm.f32.tileRows);
}

const NO_WORKGROUPS: Workgroups = [0, 1, 1];

/** Rows of two passes of a GEMV. */
const PASSES_ROWS = 16;

interface MatrixRows {
  /** Kernels for so many rows alone. */
  readonly few?: number;
  /** Kernels for more than so many rows. */
  readonly above?: number;
  /** Pairs of a tile, with experts. */
  readonly expertRows?: number | undefined;
}

/**
 * The same on matrix units: one to three kernels for each of the table's tilings, or for the one of `few` rows; undefined where the device
 * or the shape has none.
 */
function matrixProducts(
  shape: LinearShape, { profile }: UseOptions, { few, above = 0, expertRows = expertTileRows(profile) }: MatrixRows = {},
): readonly ProductKernel[] | undefined {
  const { subgroupMatrix: config } = profile;
  if (config === undefined || !takesMatrixUnits(shape)) return undefined;
  const { cols, input, experts } = shape;
  const all = tilingsFor(config, { out: matrixRows(shape), cols, expertRows: experts && expertRows, isFloat: input === 'f32' });
  const isMeant = ({ isFor, mostRows }: TiledRows) => (few ? isFor(few) : mostRows === undefined || mostRows > above);
  const tilings = all.filter(isMeant).map(({ tiling, ...rows }) => {
    const variant: MatrixGemmVariant = { shape: isInParts(tiling) ? unfinishedShape(shape) : shape, config, ...tiling };
    return { variant, ...rows };
  });
  if (!tilings.every(({ variant }) => hasRoomFor(variant, profile))) return undefined;
  return tilings.flatMap(({ variant, mostRows = 0, isFor }) => {
    const only = (workgroups: ProductKernel['workgroups']) => (rows: number) => (isFor(rows) ? workgroups(rows) : NO_WORKGROUPS);
    const product = { kernel: matrixGemmKernel(variant), workgroups: only((rows) => matrixGemmWorkgroups(variant, rows)) };
    const halves = variant.areHalvesReady
      ? [{ kernel: matrixRowsKernel(variant), workgroups: only(matrixRowsWorkgroups), halvesWidth: shape.cols }] : [];
    if (!isInParts(variant)) return [...halves, product];
    const combine = combineOf(shape, variant);
    return [
      ...halves,
      { ...product, partialBytes: partialBytes(combine, mostRows) },
      { kernel: matrixCombineKernel(combine), workgroups: only((rows) => matrixCombineWorkgroups(combine, rows)) },
    ];
  });
}

/** A product for many rows, with experts by tiles of `expertRows` pairs. Of the kernels those run that have workgroups, in order. */
export function gemmProducts(
  shape: LinearShape, options: UseOptions, expertRows = expertTileRows(options.profile),
): readonly ProductKernel[] {
  const products = matrixProducts(shape, options, { expertRows });
  if (products !== undefined) return products;
  const variant = gemmVariant(shape, options, expertRows);
  return [{ kernel: gemmKernel(variant), workgroups: (rows) => gemmWorkgroups(variant, rows) }];
}

/**
 * Of a small product, whose sums of parts would take as long as another pass over its weights: up to 16 rows by two passes, more on matrix
 * units.
 */
function inPasses(shape: LinearShape, options: UseOptions): readonly ProductKernel[] | undefined {
  const { knobs } = options.profile;
  const isSmall = matrixRows(shape) * shape.cols <= knobs.gemvInt8.passesUpTo && !shape.gated && suitsGemv(shape, knobs);
  const products = isSmall ? matrixProducts(shape, options, { above: PASSES_ROWS }) : undefined;
  if (products === undefined) return undefined;
  const variant = int8Variant(shape, 8, options, true);
  return [
    { kernel: gemvInt8Kernel(variant), workgroups: (rows) => (rows > PASSES_ROWS ? NO_WORKGROUPS : gemvInt8Workgroups(variant, rows)) },
    ...products.map((each): ProductKernel => (
      { ...each, workgroups: (rows) => (rows > PASSES_ROWS ? each.workgroups(rows) : NO_WORKGROUPS) })),
  ];
}

/** A product that takes `batch` rows of x, or pairs of one expert, at a time. */
export function gemvProduct(shape: LinearShape, batch: 1 | 2 | 4 | 8, options: UseOptions): ProductKernel {
  if (shape.input === 'f32') {
    const variant = floatVariant(shape, batch, options);
    return { kernel: gemvFloatKernel(variant), workgroups: (rows) => gemvFloatWorkgroups(variant, rows) };
  }
  const variant = int8Variant(shape, batch, options);
  return { kernel: gemvInt8Kernel(variant), workgroups: (rows) => gemvInt8Workgroups(variant, rows) };
}

export function productKernels(shape: LinearShape, rows: RowClass, options: UseOptions): readonly ProductKernel[] {
  if (rows === 'many') return inPasses(shape, options) ?? gemmProducts(shape, options);
  if (rows === 'one') return [gemvProduct(shape, 1, options)];
  const { subgroupMatrix: config, knobs } = options.profile;
  const areOnUnits = config && rows >= leastRows(config) && !suitsGemv(shape, knobs);
  const onUnits = areOnUnits ? matrixProducts(shape, options, { few: rows }) : undefined;
  return onUnits ?? [gemvProduct(shape, rows, options)];
}
