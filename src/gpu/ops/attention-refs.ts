/** Attention of a plan as its kernels see it: its shape, and the buffers that it binds. */
import type { WeightRef } from '../../graph/value.ts';
import { windowWithin } from '../attention-scores.ts';
import { cacheTypes } from '../attention-shape.ts';
import type { AttentionShape, HeadPreparationShape } from '../attention-shape.ts';
import type { NormWeight, UseOptions } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef, outputRefs, vectorRef } from '../plan/value-refs.ts';
import type { AttentionOp, HeadPreparation } from './attention-op.ts';

export type AttentionOptions = Pick<UseOptions, 'profile' | 'kv'>;

export type AttentionStep = GpuStepOf<AttentionOp>;

/** The gain of a norm, unless that is 1. */
export function gainIn(norm: NormWeight | undefined): WeightRef | undefined {
  return norm === undefined || 'fill' in norm.weight ? undefined : norm.weight;
}

function preparationOf({ norm, table }: HeadPreparation): HeadPreparationShape {
  return {
    norm: norm && { eps: norm.eps, ...(gainIn(norm) === undefined && { ungained: true as const }) },
    rotaryDim: 2 * (table?.frequencies.length ?? 0),
  };
}

/** Of what is not said of every attention, only what says something: the kernels of plain attention keep their keys. */
function choicesOf({ softcap, sinks, temperature, causal, vNorm, ...op }: AttentionOp, positions: number): Partial<AttentionShape> {
  const window = windowWithin({ window: op.window, causal }, positions);
  return {
    ...(softcap !== undefined && { softcap }), ...(sinks && { sinks: true as const }), ...(temperature && { temperature }),
    ...(window !== undefined && { window }), ...(!causal && { causal }), ...(vNorm && { v: { norm: { eps: vNorm.eps } } }),
  };
}

export function shapeOf({ op, outputs }: AttentionStep, options: AttentionOptions): AttentionShape {
  return attentionShapeOf(op, (outputs[0] as GpuValue).dtype === 'f32' ? 'f32' : 'q8', options);
}

export function attentionShapeOf(op: AttentionOp, output: AttentionShape['output'], { kv, profile }: AttentionOptions): AttentionShape {
  const { heads, scale, joined, stored, state: { heads: kvHeads, keyDim, valueDim } } = op;
  return {
    heads, kvHeads, keyDim, valueDim, scale,
    ...cacheTypes(kv), ...(profile.packsIeee && [kv.type, kv.valueType].includes('f16') && { halves: 'device' as const }),
    pageTokens: kv.pageTokens, maxPages: kv.maxPages,
    input: stored ? 'queries' : joined ? 'joined' : 'separate',
    q: preparationOf(op.q), k: preparationOf(op.k),
    output,
    ...(op.gated && { gated: true as const }),
    ...(op.shifted && { shifted: true as const }),
    ...choicesOf(op, kv.maxPages * kv.pageTokens),
  };
}

function inputsOf({ op, inputs }: AttentionStep): Record<string, BufferRef> {
  const [first, second, third] = inputs as readonly GpuValue[];
  if (op.joined) return { qkv: floatsRef(first as GpuValue) };
  const q = floatsRef(first as GpuValue);
  return op.stored ? { q } : { q, k: floatsRef(second as GpuValue), v: floatsRef(third as GpuValue) };
}

/** What rows turn by, and where their keys and values are. */
export function placeRefs({ q, k, state }: AttentionOp, positions: GpuValue): Record<string, BufferRef> {
  const table = q.table ?? k.table;
  return {
    ...(table ? { rope: { kind: 'rope', table: table.id } as const } : {}),
    positions: floatsRef(positions),
    rowSequence: { kind: 'sequences', name: 'rowSequence' },
    pageTable: { kind: 'pageTable', group: state.group },
    kv: { kind: 'state', state: state.index },
  };
}

export function buffersOf(step: AttentionStep): Record<string, BufferRef> {
  const { op, inputs, outputs } = step;
  const positions = inputs.at(-1) as GpuValue;
  const [qGain, kGain] = [gainIn(op.q.norm), gainIn(op.k.norm)];
  return {
    ...inputsOf(step),
    ...outputRefs(outputs),
    ...(qGain ? { qGain: vectorRef(qGain.id) } : {}),
    ...(kGain ? { kGain: vectorRef(kGain.id) } : {}),
    ...(op.sinks ? { sinks: vectorRef(op.sinks.id) } : {}),
    ...placeRefs(op, positions),
    ...(op.shifted ? { shift: floatsRef(inputs.at(-2) as GpuValue) } : {}),
    tiles: { kind: 'sequences', name: 'tiles' },
    step: { kind: 'size', dim: outerOf(positions) },
    partials: { kind: 'partials' },
  };
}
