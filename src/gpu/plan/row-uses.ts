/** Kernels of the ops that treat every row by itself. */
import type { Value } from '../../graph/value.ts';
import { addKernel, addWorkgroups } from '../kernels/add/add.ts';
import { embedKernel, embedWorkgroups } from '../kernels/embed/embed.ts';
import { gatherKernel, gatherWorkgroups } from '../kernels/gather/gather.ts';
import { normKernel, normWorkgroups } from '../kernels/norm/norm.ts';
import { quantizeKernel, quantizeWorkgroups } from '../kernels/quantize/quantize.ts';
import { ropeKernel, ropeWorkgroups } from '../kernels/rope/rope.ts';
import { swigluKernel, swigluWorkgroups } from '../kernels/swiglu/swiglu.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { packedFormatOf, planesOf } from '../packed-layout.ts';
import type { RowCounts } from '../wgsl/row-pieces.ts';
import type { EmbedOp, GpuOp, GpuStep, NormOp, QuantizeOp, RopeOp } from './gpu-op.ts';
import type { BufferRef, KernelUse, StepCounts } from './kernel-use.ts';
import { rowCountOf } from './linear-uses.ts';
import type { UseOptions } from './linear-uses.ts';
import { embeddingMatrix } from './plan-weights.ts';
import { floatsRef, roundedRefs, sizeOfValue, vectorRef, widthOf } from './value-refs.ts';

type StepOf<Op extends GpuOp> = GpuStep & { readonly op: Op };

const input = (name: 'tokens' | 'positions' | 'outIndices' | 'step'): BufferRef => ({ kind: 'input', name });

interface RowUse {
  readonly kernel: Kernel;
  readonly buffers: Readonly<Record<string, BufferRef>>;
  readonly workgroups: (counts: RowCounts) => Workgroups;
  /** Bytes beside inputs and outputs: weights. */
  readonly weightBytes?: ((counts: RowCounts) => number) | undefined;
  /** Multiply-adds for each value of the first output. */
  readonly work?: number | undefined;
}

function useOf(step: GpuStep, { kernel, buffers, workgroups, weightBytes, work = 0 }: RowUse): KernelUse {
  const [first] = step.outputs as readonly [Value];
  const cost = (counts: StepCounts) => ({
    bytes: [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0) + (weightBytes?.(counts) ?? 0),
    multiplyAdds: work * widthOf(first) * counts[rowCountOf(first)],
  });
  return { kernel, buffers: { ...buffers, step: input('step') }, workgroups, cost };
}

function outputRefs(outputs: readonly Value[]): Record<string, BufferRef> {
  return Object.assign({}, ...outputs.map((value) => (value.dtype === 'f32' ? { y: floatsRef(value) } : roundedRefs('y', value)))) as Record<string, BufferRef>;
}

function embedUse(step: StepOf<EmbedOp>, { typeOf, single }: UseOptions): KernelUse {
  const { weight, rounding } = step.op;
  const [vocab, width] = weight.shape as [number, number];
  const { key, type } = embeddingMatrix(weight, typeOf);
  const variant = { type, vocab, width, q8n: rounding?.norm && { eps: rounding.norm.eps }, rowCount: 'rows', single } as const;
  const planes = planesOf(packedFormatOf(type), width);
  const buffers: Record<string, BufferRef> = { tokens: input('tokens'), ...outputRefs(step.outputs) };
  for (const { name } of planes) buffers[`p0_${name}`] = { kind: 'plane', matrix: key, plane: name };
  if (rounding?.norm) buffers['yGain'] = vectorRef(rounding.norm.weight.id);
  const rowBytes = planes.reduce((sum, plane) => sum + plane.rowBytes, 0);
  return useOf(step, { kernel: embedKernel(variant), buffers, workgroups: (counts) => embedWorkgroups(variant, counts), weightBytes: ({ rows }) => rows * rowBytes });
}

function normUse(step: StepOf<NormOp>, { single }: UseOptions): KernelUse {
  const [x] = step.inputs as readonly [Value];
  const { groups, eps, gather, weight } = step.op;
  const outputs = { f32: true, q8: false };
  const variant = { width: widthOf(x), groups, eps, gather, outputs, rowCount: rowCountOf(step.outputs[0] as Value), single };
  const buffers = { x: floatsRef(x), gain: vectorRef(weight.id), outIndices: input('outIndices'), ...outputRefs(step.outputs) };
  return useOf(step, { kernel: normKernel(variant), buffers, workgroups: (counts) => normWorkgroups(variant, counts), work: 2 });
}

function quantizeUse(step: StepOf<QuantizeOp>, { single }: UseOptions): KernelUse {
  const [x] = step.inputs as readonly [Value];
  const { norm, gather } = step.op;
  const variant = { width: widthOf(x), norm: norm && { eps: norm.eps }, gather, rowCount: rowCountOf(step.outputs[0] as Value), single };
  const buffers = { x: floatsRef(x), outIndices: input('outIndices'), ...outputRefs(step.outputs), ...(norm ? { yGain: vectorRef(norm.weight.id) } : {}) };
  return useOf(step, { kernel: quantizeKernel(variant), buffers, workgroups: (counts) => quantizeWorkgroups(variant, counts), work: 1 });
}

function ropeUse(step: StepOf<RopeOp>, { single }: UseOptions): KernelUse {
  const [x] = step.inputs as readonly [Value];
  const { heads, headDim, table } = step.op;
  const variant = { heads, headDim, rotaryDim: 2 * table.frequencies.length, rowCount: 'rows', single } as const;
  const rope: BufferRef = { kind: 'rope', table: table.id };
  const buffers = { x: floatsRef(x), positions: input('positions'), rope, ...outputRefs(step.outputs) };
  return useOf(step, { kernel: ropeKernel(variant), buffers, workgroups: (counts) => ropeWorkgroups(variant, counts), work: 2 });
}

/** Ops without weights on one or two values of equal width. */
function plainUse(step: GpuStep, { single }: UseOptions): KernelUse {
  const [a, b] = step.inputs as readonly [Value, Value];
  const [y] = step.outputs as readonly [Value];
  const rows = { width: widthOf(y), rowCount: rowCountOf(y), single };
  const outputs = outputRefs(step.outputs);
  switch (step.op.kind) {
    case 'swiglu': {
      const variant = { ...rows, output: y.dtype === 'f32' ? 'f32' : 'q8' } as const;
      return useOf(step, { kernel: swigluKernel(variant), buffers: { gate: floatsRef(a), up: floatsRef(b), ...outputs }, workgroups: (counts) => swigluWorkgroups(variant, counts), work: 2 });
    }
    case 'add':
      return useOf(step, { kernel: addKernel(rows), buffers: { a: floatsRef(a), b: floatsRef(b), ...outputs }, workgroups: (counts) => addWorkgroups(rows, counts), work: 1 });
    case 'gather':
      return useOf(step, { kernel: gatherKernel(rows), buffers: { x: floatsRef(a), outIndices: input('outIndices'), ...outputs }, workgroups: (counts) => gatherWorkgroups(rows, counts) });
    default:
      throw new Error(`row kernels: no kernel for ${step.op.kind}`);
  }
}

/** The kernel of a step that treats every row by itself. */
export function rowUse(step: GpuStep, options: UseOptions): KernelUse {
  const { op } = step;
  switch (op.kind) {
    case 'embed':
      return embedUse({ ...step, op }, options);
    case 'norm':
      return normUse({ ...step, op }, options);
    case 'quantize':
      return quantizeUse({ ...step, op }, options);
    case 'rope':
      return ropeUse({ ...step, op }, options);
    default:
      return plainUse(step, options);
  }
}
