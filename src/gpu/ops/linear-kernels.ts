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
import { workgroupBytesOf } from '../kernel.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { inputWidth, matrixRows } from '../linear-shape.ts';
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

/** From this many rows of W on a matrix counts as an output head. */
const HEAD_ROWS = 32_768;
/** Groups of 32 weights that a lane loads before it uses the first. */
const MOST_UNROLLED = 4;

/** Elements that a row of the result is a sum over. */
function depthOf(shape: LinearShape): number {
  return shape.experts?.summed ? inputWidth(shape) : shape.cols;
}

type Int8Form = Pick<GemvInt8Variant, 'rowsPerWorkgroup' | 'rowsPerSlot'> & { readonly subgroupsPerRow: number };

/** How many rows a workgroup has, and how subgroups share them, by the form of the product. */
function int8Form(shape: LinearShape, batch: number, { gemvInt8 }: ProfileKnobs): Int8Form {
  const rows = matrixRows(shape);
  const isTall = rows <= depthOf(shape) && depthOf(shape) >= gemvInt8.splitFromCols;
  // Four rows share what is loaded of several columns.
  if (batch > 1 && !shape.gated && shape.experts === undefined)
    return { rowsPerWorkgroup: gemvInt8.rows, subgroupsPerRow: isTall ? 2 : 1, rowsPerSlot: 4 };
  if (rows >= HEAD_ROWS) return { rowsPerWorkgroup: gemvInt8.headRows, subgroupsPerRow: 1, rowsPerSlot: 1 };
  // Quantised results come in blocks of 16 columns, which one workgroup owns: 32 rows where gate and up alternate.
  if (shape.gated) return gatedForm(rows, batch, gemvInt8);
  const isShared = isTall && batch === 1;
  return { rowsPerWorkgroup: gemvInt8.rows, subgroupsPerRow: isShared ? 2 : 1, rowsPerSlot: isShared ? 2 : 1 };
}

/** Of gate and up: as many rows a subgroup, or of one column a workgroup, as make all workgroups run in one wave. */
function gatedForm(rows: number, batch: number, { wideRows, largeRows }: ProfileKnobs['gemvInt8']): Int8Form {
  const isWide = rows >= wideRows;
  const isLarge = batch === 1 && !isWide && rows >= largeRows;
  return { rowsPerWorkgroup: isLarge ? 64 : 32, subgroupsPerRow: 1, rowsPerSlot: isWide || isLarge ? 4 : 2 };
}

/** Groups of a lane that are loaded together: of several columns one, for more take registers, and a longer text. */
function unrollOf(shape: LinearShape, batch: number, groupsPerLane: number): number {
  const isOne = shape.experts === undefined && (shape.gated ? batch > 4 : batch > 1);
  return isOne ? 1 : Math.min(MOST_UNROLLED, groupsPerLane);
}

/** Whether GEMVs of 5 to 8 rows are faster than matrix units, whose tiles are half empty and wait for sums of their parts. */
function suitsGemv(shape: LinearShape, { gemvInt8 }: ProfileKnobs): boolean {
  const { parts, input, experts, cols } = shape;
  const isPlain = input !== 'f32' && experts === undefined && matrixRows(shape) < HEAD_ROWS;
  return isPlain && cols >= gemvInt8.eightFromCols && parts.every((part) => !blocksOf(part).hasMinimum);
}

function int8Variant(shape: LinearShape, batch: 1 | 2 | 4 | 8, { profile }: UseOptions): GemvInt8Variant {
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
  const { rowsPerWorkgroup, subgroupsPerRow, rowsPerSlot: wanted } = int8Form(shape, batch, knobs);
  const lanesPerRow = subgroupSize * subgroupsPerRow;
  const rowsPerSlot = Math.max(wanted, (rowsPerWorkgroup * lanesPerRow) / invocations) as 1 | 2 | 4;
  const groupsPerLane = Math.ceil(depthOf(shape) / 32 / lanesPerRow);
  return { shape, batch, subgroupSize, rowsPerWorkgroup, lanesPerRow, rowsPerSlot, unroll: unrollOf(shape, batch, groupsPerLane) };
}

function floatVariant(shape: LinearShape, batch: 1 | 2 | 4 | 8, { profile }: UseOptions): GemvFloatVariant {
  const { subgroupSize, knobs, activations } = profile;
  const { arithmetic, rowsPerTeam, teams, flatInvocations } = knobs.gemvFloat;
  const rows = { shape, batch, arithmetic: activations === 'f16' ? 'f16' : arithmetic, rowsPerTeam } as const;
  if (subgroupSize !== undefined) return { ...rows, reduction: 'subgroup', lanes: subgroupSize, teams };
  if (knobs.gemvFloat.flatLanes === 1) return { ...rows, reduction: 'none', lanes: 1, rowsPerTeam: 1, teams: flatInvocations };
  return { ...rows, reduction: 'workgroup', lanes: knobs.gemvFloat.flatLanes, teams };
}

function gemmVariant(shape: LinearShape, { profile }: UseOptions): GemmVariant {
  const arithmetic = shape.input === 'f32' ? 'f32' : 'int8';
  const { tileRows: most, tileCols, tileDepth, rowsPerInvocation } = profile.knobs.gemm[arithmetic];
  const tileRows = shape.experts ? expertTileRows(profile) : most;
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

/** The same for all arithmetics, since all products of a layer read one list. */
export function expertTileRows({ knobs: { gemm } }: Pick<DeviceProfile, 'knobs'>): number {
  return Math.min(EXPERT_TILE_ROWS, gemm.int8.tileRows, gemm.f32.tileRows);
}

const NO_WORKGROUPS: Workgroups = [0, 1, 1];

/**
 * The same on matrix units: one to three kernels for each of the table's tilings, or for the one of `few` rows; undefined where the device
 * or the shape has none.
 */
function matrixProducts(shape: LinearShape, { profile }: UseOptions, few?: number): readonly ProductKernel[] | undefined {
  const { subgroupMatrix: config } = profile;
  if (config === undefined || !takesMatrixUnits(shape)) return undefined;
  const expertRows = shape.experts && expertTileRows(profile);
  const all = tilingsFor(config, { out: matrixRows(shape), cols: shape.cols, expertRows });
  const tilings = (few ? all.filter(({ isFor }) => isFor(few)) : all).map(({ tiling, ...rows }) => {
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

/** A product with a matrix, for many rows. Of the kernels those run that have workgroups, in order. */
export function gemmProducts(shape: LinearShape, options: UseOptions): readonly ProductKernel[] {
  const products = matrixProducts(shape, options);
  if (products !== undefined) return products;
  const variant = gemmVariant(shape, options);
  return [{ kernel: gemmKernel(variant), workgroups: (rows) => gemmWorkgroups(variant, rows) }];
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
  if (rows === 'many') return gemmProducts(shape, options);
  if (rows === 'one') return [gemvProduct(shape, 1, options)];
  const { subgroupMatrix: config, knobs } = options.profile;
  const onUnits = config && rows >= leastRows(config) && !suitsGemv(shape, knobs) ? matrixProducts(shape, options, rows) : undefined;
  return onUnits ?? [gemvProduct(shape, rows, options)];
}
