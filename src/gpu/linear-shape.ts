/**
 * A matrix product as the kernels of three families (int8 GEMV, float GEMV, GEMM) see it: what goes in, what is done with the
 * result, and the buffers' names. y[r] = W x[r], W being the parts' rows one after another.
 */
import type { ActivationName, GateClamp } from '../graph/ops/activation.ts';
import type { Binding } from './kernel.ts';
import { packedFormatOf, planesOf } from './packed-layout.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

/** A run of rows of one type; part n's planes are bound as `p{n}_{plane}`. */
export interface LinearPartShape {
  readonly type: WeightType;
  readonly rows: number;
}

/** What the kernel writes. */
export interface LinearOutputs {
  /** Binding `y`: f32 [rows, width]. */
  readonly f32: boolean;
  /**
   * Bindings `yCodes` and `yStats` (q8-layout.ts). With `norm`, a q8n value of y times the gain of the RMS norm that follows (binding
   * `yGain`, f32 [width]); without, a plain q8 value of y.
   */
  readonly q8: { readonly norm: { readonly eps: number } | undefined } | undefined;
}

/** y = fn(y), and with `times` y = fn(y) * times: binding `times`, f32 [rows, of], whose columns from `start` on are those of y. */
export type LinearActivation =
  | { readonly fn: ActivationName; readonly times: { readonly start: number; readonly of: number } | undefined }
  | { readonly fn: 'softcap'; readonly cap: number; readonly times?: undefined };

/** A product's input that is the sum behind a block: x = by * (base + branch * branchGain / sqrt(mean(branch^2) + eps)), one row. */
export interface LinearSum {
  readonly eps: number;
  /** A number, or the first value of binding `factor`; absent: 1. */
  readonly by?: number | 'factor' | undefined;
  /** The norm that `q8n` input is before; its gain is binding `xGain`. */
  readonly next: { readonly eps: number } | undefined;
  /** Whether x is written too: binding `sum`. */
  readonly isKept: boolean;
}

/** Some of a layer's experts, in a kernel that binds no others. */
export interface ExpertPiece {
  /** Number of the first. */
  readonly first: number;
  readonly count: number;
  /** Results of other experts are as binding `before`, f32 [rows, used * width], has them; else they are not written. */
  readonly before: boolean;
}

/**
 * Matrices of experts, whole ones in each part. A row of x meets those that its routes name: y is [rows, used * width], a result for each
 * expert of a row.
 */
export interface ExpertsShape {
  /** Experts that there are. */
  readonly count: number;
  /** Experts of a row. */
  readonly used: number;
  /** x is [rows, used * cols]: a vector for each expert of a row; else one for all. */
  readonly each: boolean;
  /** The results of a row's experts, times their weights, are added up: y is [rows, width]. One row, and `each`. */
  readonly summed: boolean;
  /** Absent: parts hold all experts. Of a sum, other experts are left out. */
  readonly piece?: ExpertPiece | undefined;
}

export interface LinearShape {
  readonly cols: number;
  readonly parts: readonly LinearPartShape[];
  /**
   * `f32`: binding `x`, f32 [rows, cols]. `q8`, `q8n`: bindings `xCodes` and `xStats`; the result of `q8n` is multiplied by its row's
   * norm factor before anything else is done with it.
   */
  readonly input: 'f32' | 'q8' | 'q8n';
  /**
   * Absent: x is bound. Each workgroup makes it and, as `input` says, rounds it (wgsl/sum-prologue.ts) from the bindings `branch`, `base`
   * and `branchGain`, f32 [cols]. For a single row, cols a multiple of 32.
   */
  readonly sum?: LinearSum | undefined;
  /** f32 input only: an RMS norm of x comes first. Binding `gain`, f32 [cols]. */
  readonly norm: { readonly eps: number } | undefined;
  /** Binding `bias`, f32 over the rows of all parts, added to the product. */
  readonly bias: boolean;
  /**
   * One interleaved part: rows of gate and up, 16 by 16. y = fn(gate) * up, with the named function, has half as many columns.
   * Excludes residual.
   */
  readonly gated: ActivationName | false;
  /** Of a gated product: y = fn(min(gate, limit)) * (up within the limit + offset). Absent: none. */
  readonly clamp?: GateClamp | undefined;
  /** Absent: none. Excludes residual, and gated. */
  readonly activation?: LinearActivation | undefined;
  /** Binding `residual`, f32 [rows, width], added last. */
  readonly residual: boolean;
  readonly outputs: LinearOutputs;
  /**
   * Absent: all columns of y are the product's. y is f32 [rows, of], and the product makes its columns from `start` on: other kernels make
   * the others. Excludes bias, residual, and what excludes an activation; its activation has no `times`. Not on matrix units.
   */
  readonly within?: { readonly start: number; readonly of: number } | undefined;
  /**
   * Absent: one matrix for all rows. A kernel for one row binds `routes`, f32 [2 * used] of a route op; one for several binds `lists`,
   * which the expert-lists kernel makes of them.
   */
  readonly experts?: ExpertsShape | undefined;
}

/** The size of the dim that a kernel works on, in this step. Kernels for exactly one row do not bind it. */
export const STEP_STRUCT = 'struct Step { rows: u32 }';
export const STEP_BINDING: Binding = { name: 'step', access: 'uniform', type: 'Step' };

export function totalRows({ parts }: LinearShape): number {
  return parts.reduce((sum, { rows }) => sum + rows, 0);
}

/** Rows of the matrix that a row of x meets: of one expert, where there are several. */
export function matrixRows(shape: LinearShape): number {
  return totalRows(shape) / heldExperts(shape);
}

/** Experts whose matrices the parts hold; 1 where there are none. */
export function heldExperts({ experts }: LinearShape): number {
  return experts?.piece?.count ?? experts?.count ?? 1;
}

/** Values of a row of x. */
export function inputWidth({ cols, experts }: LinearShape): number {
  return experts?.each ? experts.used * cols : cols;
}

/** Results of a row of x, as they lie in y. */
export function resultWidth(shape: LinearShape): number {
  const { experts } = shape;
  return experts === undefined || experts.summed ? outputWidth(shape) : experts.used * outputWidth(shape);
}

/** Whether the ends of a product exclude each other. */
export function hasTwoEnds({ gated, residual, activation }: LinearShape): boolean {
  return [gated !== false, residual, activation !== undefined].filter(Boolean).length > 1;
}

/** WGSL expression of what an activated value is multiplied by, at a row and column of the result. */
export function timesAt({ of, start }: { readonly of: number; readonly start: number }, row: string, column: string): string {
  return `times[${row} * ${of}u + ${start}u + ${column}]`;
}

/** WGSL expression of where a value of the result lies in `y`; with experts `row` is the (row, choice) pair. */
export function placeInY(shape: LinearShape, row: string, column: string): string {
  const { of, start } = shape.within ?? { of: outputWidth(shape), start: 0 };
  return `${row} * ${of}u + ${start > 0 ? `${start}u + ` : ''}${column}`;
}

/** Columns of the result, of each expert. */
export function outputWidth(shape: LinearShape): number {
  return shape.gated ? matrixRows(shape) / 2 : matrixRows(shape);
}

export function q8Bindings(name: string, access: 'read' | 'write'): readonly Binding[] {
  return [
    { name: `${name}Codes`, access, type: access === 'read' ? 'array<vec4<u32>>' : 'array<u32>' },
    { name: `${name}Stats`, access, type: access === 'read' ? 'array<vec2<f32>>' : 'array<f32>' },
  ];
}

/** Planes of part `n`, in the order of its buffer. */
export function partBindings(part: LinearPartShape, n: number, cols: number): readonly Binding[] {
  return planesOf(packedFormatOf(part.type), cols).map(({ name, element }) => ({
    name: `p${n}_${name}`,
    access: 'read' as const,
    type: `array<${element}>`,
  }));
}

function sumBindings({ by, next, isKept }: LinearSum): readonly Binding[] {
  const bind = (name: string, access: 'read' | 'write' = 'read'): Binding => ({ name, access, type: 'array<vec4<f32>>' });
  return [
    bind('branch'), bind('base'), bind('branchGain'),
    ...(by === 'factor' ? [{ name: 'factor', access: 'read' as const, type: 'array<f32>' }] : []),
    ...(next ? [bind('xGain')] : []),
    ...(isKept ? [bind('sum', 'write')] : []),
  ];
}

export interface LinearBindingOptions {
  /** True where the kernel takes more than one row of x and so binds `step`. */
  readonly step: boolean;
  /** WGSL type of the f32 bindings `x` and `gain`: vec4 where cols is a multiple of 4. */
  readonly vectorX?: boolean | undefined;
}

/** All bindings of a product, in order. `y` is array<f32>. */
export function linearBindings(shape: LinearShape, { step, vectorX }: LinearBindingOptions): readonly Binding[] {
  const floats = vectorX ? 'array<vec4<f32>>' : 'array<f32>';
  const read = (name: string, type = 'array<f32>'): Binding => ({ name, access: 'read', type });
  const { outputs } = shape;
  return [
    ...shape.parts.flatMap((part, n) => partBindings(part, n, shape.cols)),
    ...(shape.sum ? sumBindings(shape.sum) : shape.input === 'f32' ? [read('x', floats)] : q8Bindings('x', 'read')),
    ...(shape.norm ? [read('gain', floats)] : []),
    ...(shape.experts ? [step ? read('lists', 'array<u32>') : read('routes')] : []),
    ...(shape.bias ? [read('bias')] : []),
    ...(shape.residual ? [read('residual')] : []),
    ...(shape.experts?.piece?.before ? [read('before')] : []),
    ...(shape.activation?.times ? [read('times')] : []),
    ...(outputs.f32 ? [{ name: 'y', access: 'write' as const, type: 'array<f32>' }] : []),
    ...(outputs.q8 ? q8Bindings('y', 'write') : []),
    ...(outputs.q8?.norm ? [read('yGain')] : []),
    ...(step ? [STEP_BINDING] : []),
  ];
}

/** Of a product's matrices, for names of kernels: `[rows, cols]`, or `[experts, rows, cols]`; `first..end of experts` of a piece. */
export function shapeText(shape: LinearShape): string {
  const { count, piece } = shape.experts ?? {};
  const held = piece ? `${piece.first}..${piece.first + piece.count} of ${count}` : count;
  const rows = shape.within ? `${shape.within.start}.. of ${shape.within.of}: ${totalRows(shape)}` : matrixRows(shape);
  return `[${shape.experts ? `${held}, ` : ''}${rows}, ${shape.cols}]`;
}
