/** What the GPU executor has to know of the ops of its plans, and how an op of the graph becomes some of them. */
import type { KvLayout } from '../../graph/executor.ts';
import type { Step } from '../../graph/graph.ts';
import type { Lowered } from '../../graph/lower-nodes.ts';
import type { WeightRef } from '../../graph/value.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';
import type { AttentionMode, KernelUse, RowClass } from './kernel-use.ts';
import type { Gain, MatrixChoices, PlannedMatrix, PlannedVector } from './planned-weights.ts';

export interface NormWeight {
  readonly weight: Gain;
  readonly eps: number;
}

/** What becomes of a result that int8 kernels read next: rounded as it is, or times the gain of the norm that follows. */
export interface Rounding {
  readonly norm: NormWeight | undefined;
}

export interface UseOptions {
  readonly profile: DeviceProfile;
  readonly typeOf: TypeOf;
  /** True: the plan is for exactly one row, and nothing reads the `step` uniform. */
  readonly single: boolean;
  readonly kv: KvLayout;
  /** Query rows of the tiles that the host lists for prefill attention of the graph. */
  readonly tileRows: number;
}

/** How the rows of an op come: their number, and how attention is cut. */
export interface OpMode {
  readonly rows: RowClass;
  readonly attention: AttentionMode;
}

type AnyStep = GpuStepOf<{ readonly kind: string }>;

/** Steps in place of one or several whose kernels need more of a device than it has. */
export interface Cut {
  readonly replaced: readonly AnyStep[];
  /** In an order in which they can run. */
  readonly by: readonly AnyStep[];
}

/** What an op may look at and take while it is cut. */
export interface CutContext {
  /** Of the plan. */
  readonly choices: MatrixChoices;
  producerOf(value: GpuValue): AnyStep | undefined;
  consumersOf(value: GpuValue): readonly AnyStep[];
  /** A value of f32 that no step has yet. */
  fresh(shape: GpuValue['shape'], label: string): GpuValue;
}

export interface GpuOpRules<Op extends { readonly kind: string }> {
  /** What a line of a printed plan says of it. */
  describe(op: Op, typeOf: TypeOf): string;
  /** The matrices it reads, packed. */
  matrices?(op: Op, choices: MatrixChoices): readonly PlannedMatrix[];
  /** The gains and biases it reads. */
  vectors?(op: Op): readonly (PlannedVector | undefined)[];
  /** The part of a mode that its kernels depend on, or all of it; absent: none. */
  readonly form?: keyof OpMode | 'both';
  uses(step: GpuStepOf<Op>, mode: OpMode, options: UseOptions): readonly KernelUse[];
  /** True where it has kernels for one row only; absent: for any number. */
  isOfOneRow?(op: Op): boolean;
  /**
   * The op with its result rounded to int8 as it is made; undefined where its kernels cannot: whole blocks must belong to one
   * workgroup.
   */
  rounded?(op: Op, rounding: Rounding, inputs: readonly GpuValue[]): Op | undefined;
  /** Ways to do a part of the op's work in steps of their own, those that cost least first; none: it is as small as it gets. */
  cuts?(step: GpuStepOf<Op>, context: CutContext): readonly Cut[];
}

/** What lowering offers to an op of the graph. */
export interface Lowering {
  /** The form of `x` that products with a weight read: int8 codes for quantised ones on int8 devices, made once for each value. */
  inputFor(weight: WeightRef, x: GpuValue): GpuValue;
  /** What products with `experts` read of routes: themselves in a plan for a single row, else lists of rows by expert, made once. */
  routesFor(routes: GpuValue, experts: number): GpuValue;
  /** The plan is for a single row whose logits are wanted. */
  readonly single: boolean;
}

export type Lower<From extends { readonly kind: string }, To> = (
  node: Step<From, GpuValue>,
  lowering: Lowering,
) => Lowered<To, 'q8' | 'q8n'>;

export function describeNorm(name: string, norm: NormWeight | undefined): string {
  return norm === undefined ? '' : ` ${name}=${norm.weight.id} eps=${norm.eps}`;
}

export function describeRounding(rounding: Rounding | undefined): string {
  if (rounding === undefined) return '';
  return rounding.norm === undefined ? ' ->q8' : ` ->q8n${describeNorm('gain', rounding.norm)}`;
}
