/** The ops of a GPU plan, fused or not. Every op names what a kernel family of its own does; kernel-uses.ts picks the kernels. */
import type { Step } from '../../graph/graph.ts';
import type { RopeTable } from '../../graph/op.ts';
import { formatShape } from '../../graph/value.ts';
import type { KvState, Value, WeightRef } from '../../graph/value.ts';

export interface NormWeight {
  readonly weight: WeightRef;
  readonly eps: number;
}

/** What becomes of a result that int8 kernels read next: rounded as it is, or times the gain of the norm that follows. */
export interface Rounding {
  readonly norm: NormWeight | undefined;
}

export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
}

/** Inputs: x (f32, q8 or q8n), then the residual where there is one. Outputs: f32, rounded, or both, told apart by dtype. */
export interface LinearOp {
  readonly kind: 'linear';
  /** Rows one after another; `gated`: gate and up, interleaved. */
  readonly parts: readonly LinearPart[];
  /** RMS norm of an f32 input. */
  readonly norm: NormWeight | undefined;
  readonly gated: boolean;
  readonly residual: boolean;
  readonly rounding: Rounding | undefined;
}

/** Input: tokens. Outputs: f32, and rounded where asked for. */
export interface EmbedOp {
  readonly kind: 'embed';
  readonly weight: WeightRef;
  readonly rounding: Rounding | undefined;
}

/** Inputs: x, then the indices of a gather. Output: f32. */
export interface NormOp extends NormWeight {
  readonly kind: 'norm';
  readonly groups: number;
  readonly gather: boolean;
}

/** Inputs: x, then the indices of a gather. Output: q8, or q8n with a norm. */
export interface QuantizeOp extends Rounding {
  readonly kind: 'quantize';
  readonly gather: boolean;
}

export interface RopeOp {
  readonly kind: 'rope';
  readonly heads: number;
  readonly headDim: number;
  readonly table: RopeTable;
}

/** What happens to heads before they are used: norm, then rotation. */
export interface HeadPreparation {
  readonly norm: NormWeight | undefined;
  readonly table: RopeTable | undefined;
}

/** Inputs: q, k, v (or all three in one value, row by row, where `joined`), positions. Output: f32 or q8. */
export interface AttentionOp {
  readonly kind: 'attention';
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly state: KvState;
  readonly q: HeadPreparation;
  readonly k: HeadPreparation;
  readonly joined: boolean;
}

export type GpuOp =
  | LinearOp
  | EmbedOp
  | NormOp
  | QuantizeOp
  | RopeOp
  | AttentionOp
  | { readonly kind: 'swiglu' }
  | { readonly kind: 'add' }
  | { readonly kind: 'gather' };

export type GpuStep = Step<GpuOp>;

/** The int8 form of a value. Ids below zero are free: graphs count from zero. */
export function roundedForm(value: Value): Value {
  return { id: -1 - value.id, dtype: 'q8', shape: value.shape, label: `${value.label}.q8` };
}

function describeNorm(name: string, norm: NormWeight | undefined): string {
  return norm === undefined ? '' : ` ${name}=${norm.weight.id} eps=${norm.eps}`;
}

function describeHeads(name: string, { norm, table }: HeadPreparation): string {
  const parts = [...(norm ? [`norm ${norm.weight.id}`] : []), ...(table ? [`rope ${table.id}`] : [])];
  return parts.length === 0 ? '' : ` ${name}=(${parts.join(', ')})`;
}

function describeLinear(op: LinearOp, typeOf: (id: string) => string): string {
  const parts = op.parts.map(({ weight, bias }) => `${weight.id} ${typeOf(weight.id)}${formatShape(weight.shape)}${bias ? ' +bias' : ''}`);
  return `${parts.join(op.gated ? ' * ' : ' | ')}${op.gated ? ' swiglu' : ''}${op.residual ? ' +residual' : ''}${describeNorm('norm', op.norm)}${describeRounding(op.rounding)}`;
}

function describeRounding(rounding: Rounding | undefined): string {
  if (rounding === undefined) return '';
  return rounding.norm === undefined ? ' ->q8' : ` ->q8n${describeNorm('gain', rounding.norm)}`;
}

/** What a line of a printed plan says of an op; `typeOf` gives a weight's type. */
export function describeOp(op: GpuOp, typeOf: (id: string) => string): string {
  switch (op.kind) {
    case 'linear':
      return describeLinear(op, typeOf);
    case 'embed':
      return `${op.weight.id} ${typeOf(op.weight.id)}${formatShape(op.weight.shape)}${describeRounding(op.rounding)}`;
    case 'norm':
      return `${op.weight.id} eps=${op.eps}${op.groups > 1 ? ` groups=${op.groups}` : ''}${op.gather ? ' gather' : ''}`;
    case 'quantize':
      return `${describeRounding(op).trim()}${op.gather ? ' gather' : ''}`;
    case 'rope':
      return `heads=${op.heads} headDim=${op.headDim} table=${op.table.id}`;
    case 'attention':
      return `heads=${op.heads} kvHeads=${op.kvHeads} headDim=${op.headDim} kv.${op.state.index}${op.joined ? ' joined' : ''}${describeHeads('q', op.q)}${describeHeads('k', op.k)}`;
    case 'swiglu':
    case 'add':
    case 'gather':
      return '';
    default:
      throw new Error(`no description for op ${JSON.stringify(op satisfies never)}`);
  }
}
