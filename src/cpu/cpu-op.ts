/** The ops of a CPU plan: what the threads know how to run, fused or not. */
import type { RopeTable } from '../graph/op.ts';
import type { Step } from '../graph/graph.ts';
import { formatShape } from '../graph/value.ts';
import type { KvState, Value, WeightRef } from '../graph/value.ts';

/** One matrix of a step: reads inputs[x], adds inputs[residual] where there is one, writes the output of its own index. */
export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  readonly x: number;
  readonly residual: number | undefined;
}

/** What happens to heads before they are used: norm, then rotation. */
export interface HeadPreparation {
  readonly norm: { readonly weight: WeightRef; readonly eps: number } | undefined;
  readonly table: RopeTable | undefined;
}

export interface NormStepOp {
  readonly kind: 'norm';
  readonly weight: WeightRef;
  readonly eps: number;
  readonly groups: number;
  /** Takes row inputs[1][i] for row i. Outputs: floats, q8, or both, told apart by dtype. */
  readonly gather: boolean;
}

export interface RotateStepOp extends HeadPreparation {
  readonly kind: 'rotate';
  readonly heads: number;
  readonly headDim: number;
}

export interface LinearsStepOp {
  readonly kind: 'linears';
  readonly parts: readonly LinearPart[];
}

export interface GatedStepOp {
  readonly kind: 'gated';
  readonly gate: LinearPart;
  readonly up: LinearPart;
}

export interface AttentionStepOp {
  readonly kind: 'attention';
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  readonly state: KvState;
  readonly q: HeadPreparation;
  readonly k: HeadPreparation;
}

export type CpuOp =
  | { readonly kind: 'embed'; readonly weight: WeightRef }
  | NormStepOp
  | { readonly kind: 'quantize' }
  | { readonly kind: 'gather' }
  | { readonly kind: 'swiglu' }
  | { readonly kind: 'add' }
  | RotateStepOp
  | LinearsStepOp
  | GatedStepOp
  | AttentionStepOp;

export type CpuStep = Step<CpuOp>;

/** How the threads name the ops; `assembly/program.ts` holds the same numbers. */
export const OP_CODES = {
  embed: 1, norm: 2, quantize: 3, gather: 4, swiglu: 5, add: 6, rotate: 7, linears: 8, gated: 9, attention: 10,
} as const satisfies Record<CpuOp['kind'], number>;

/** Code of the op that looks for NaN and infinity in weights; no plan holds it. */
export const CHECK_CODE = 11;

/** The int8 form of a value. Ids below zero are free: graphs count from zero. */
export function quantizedForm(value: Value): Value {
  return { id: -1 - value.id, dtype: 'q8', shape: value.shape, label: `${value.label}.q8` };
}

/** Id of the value that `value` is, or is the int8 form of. */
export function sourceId(value: Value): number {
  return value.dtype === 'q8' ? -1 - value.id : value.id;
}

function describePreparation(name: string, { norm, table }: HeadPreparation): string {
  const parts = [...(norm ? [`norm ${norm.weight.id} eps=${norm.eps}`] : []), ...(table ? [`rope ${table.id}`] : [])];
  return parts.length === 0 ? '' : ` ${name}=(${parts.join(', ')})`;
}

/** What a line of a printed plan says of an op; `typeOf` gives a weight's type. */
export function describeOp(op: CpuOp, typeOf: (id: string) => string): string {
  const weight = (ref: WeightRef) => `${ref.id} ${typeOf(ref.id)}${formatShape(ref.shape)}`;
  const part = (linear: LinearPart) =>
    `${weight(linear.weight)}${linear.bias ? ' +bias' : ''}${linear.residual === undefined ? '' : ' +residual'}`;
  switch (op.kind) {
    case 'embed':
      return weight(op.weight);
    case 'norm':
      return `${weight(op.weight)} eps=${op.eps}${op.groups > 1 ? ` groups=${op.groups}` : ''}${op.gather ? ' of outRows' : ''}`;
    case 'rotate':
      return `heads=${op.heads} headDim=${op.headDim}${describePreparation('head', op)}`;
    case 'linears':
      return op.parts.map(part).join(' | ');
    case 'gated':
      return `${part(op.gate)} | ${part(op.up)}`;
    case 'attention':
      return `heads=${op.heads} kvHeads=${op.kvHeads} headDim=${op.headDim} state=kv.${op.state.index}` +
        describePreparation('q', op.q) + describePreparation('k', op.k);
    case 'quantize':
    case 'gather':
    case 'swiglu':
    case 'add':
      return '';
    default:
      throw new Error(`CPU plan: no description for op ${JSON.stringify(op satisfies never)}`);
  }
}
