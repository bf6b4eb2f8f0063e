/** What a product does beside itself, and joined products, as steps of their own, for devices on which its kernels bind too much. */
import type { AddOp } from '../../graph/ops/add.ts';
import type { ColumnsOp } from '../../graph/ops/columns.ts';
import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import type { LinearActivation } from '../linear-shape.ts';
import type { Cut, CutContext } from '../plan/gpu-op-rules.ts';
import { widthOf } from '../../graph/value.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { ActivationOp } from './activation.ts';
import type { AddNormOp } from './add-norm.ts';
import { plainProduct } from './linear-op.ts';
import type { LinearOp } from './linear-op.ts';
import { separateNorms } from './norm-parts.ts';
import type { NormPartsOp } from './norm-parts.ts';
import { roundingCut } from './quantize.ts';
import type { NormOp } from './rms-norm.ts';

type LinearStep = GpuStepOf<LinearOp>;

/** What a product does to its result, as an op. */
function activationOp(activation: LinearActivation): ActivationOp | SoftcapOp {
  if (activation.fn === 'softcap') return { kind: 'softcap', cap: activation.cap };
  return { kind: 'activation', fn: activation.fn, columns: activation.times };
}

interface SumApart {
  /** The sum, or nothing where the product made none. */
  readonly before: readonly GpuStepOf<AddNormOp>[];
  readonly product: LinearStep;
}

/** The sum that a product makes before itself as a step of its own, which writes what the product reads and what others read of it. */
function sumApart(step: LinearStep, fresh: CutContext['fresh']): SumApart {
  const { op: { sum }, inputs: [branch, base, ...others], outputs } = step as LinearStep & { inputs: [GpuValue, GpuValue] };
  if (sum === undefined) return { before: [], product: step };
  const { norm, by, rounding, isKept } = sum;
  const label = `${step.label}.sum`;
  const made: GpuValue = isKept ? (outputs.at(-1) as GpuValue) : fresh(branch.shape, label);
  const x: GpuValue = rounding ? { ...fresh(branch.shape, `${label}.q8`), dtype: rounding.norm ? 'q8n' : 'q8' } : made;
  const before: GpuStepOf<AddNormOp> = {
    op: { kind: 'addNorm', norm, groups: 1, by, rounding }, inputs: [branch, base], label,
    outputs: isKept && x !== made ? [made, x] : [x],
  };
  const own = { ...step, op: { ...step.op, sum: undefined }, inputs: [x, ...others], outputs: isKept ? outputs.slice(0, -1) : outputs };
  return { before: [before], product: own };
}

/** The sum before it, rounding, the norm of the input, the residual, the activation of a gated product and joined products as own steps. */
export function linearCuts(step: LinearStep, { fresh, consumersOf }: CutContext): readonly Cut[] {
  if (step.op.sum) {
    const { before, product } = sumApart(step, fresh);
    return [{ replaced: [step], by: [...before, product] }];
  }
  const { op, inputs: [x, residual], outputs: [y], label } = step as LinearStep & { inputs: [GpuValue, GpuValue]; outputs: [GpuValue] };
  const rounding = roundingCut(step, { op: { ...op, rounding: undefined }, norm: op.rounding?.norm, fresh });
  if (rounding.length > 0) return rounding;
  const cuts: Cut[] = [];
  if (op.norm) {
    const normed = fresh(x.shape, `${label}.normed`);
    const norm: NormOp = { kind: 'norm', ...op.norm, groups: 1, gather: false };
    const before: GpuStepOf<NormOp> = { op: norm, inputs: [x], outputs: [normed], label: normed.label };
    const own: LinearStep = { ...step, op: { ...op, norm: undefined }, inputs: [normed, ...step.inputs.slice(1)] };
    cuts.push({ replaced: [step], by: [before, own] });
  }
  if (op.residual) {
    const product = fresh(y.shape, `${label}.product`);
    const add: AddOp = { kind: 'add' };
    const own: LinearStep = { ...step, op: { ...op, residual: false }, inputs: [x], outputs: [product] };
    const sum: GpuStepOf<AddOp> = { op: add, inputs: [product, residual], outputs: [y], label: `${label}.residual` };
    cuts.push({ replaced: [step], by: [own, sum] });
  }
  if (op.activation) {
    const product = fresh(y.shape, `${label}.product`);
    const own: LinearStep = { ...step, op: { ...op, activation: undefined }, inputs: [x], outputs: [product] };
    const inputs = op.activation.times ? [product, residual] : [product];
    const activated: GpuStepOf<ActivationOp | SoftcapOp> = { op: activationOp(op.activation), inputs, outputs: [y], label };
    cuts.push({ replaced: [step], by: [own, activated] });
  }
  if (op.gated) {
    const halves = [fresh(y.shape, `${label}.gate`), fresh(y.shape, `${label}.up`)];
    const gate: ActivationOp = { kind: 'activation', fn: op.gated, columns: undefined };
    const activation: GpuStepOf<ActivationOp> = { op: gate, inputs: halves, outputs: [y], label };
    cuts.push({ replaced: [step], by: [...separateProducts(step, halves), activation] });
  } else if (op.parts.length > 1) {
    const [reader] = consumersOf(y);
    const norms = reader?.op.kind === 'normParts' ? (reader as GpuStepOf<NormPartsOp>) : undefined;
    const [attention] = norms ? consumersOf(norms.outputs[0] as GpuValue) : [reader];
    if (norms && attention) cuts.push(separatedNormedHeads(step, { norms, attention: attention as JoinedAttention, fresh }));
    else if (attention) cuts.push(separatedHeads(step, attention as JoinedAttention, fresh));
  }
  return cuts;
}

/** A product of several matrices, which makes no sum, as products of one; `outputs` are theirs. */
function separateProducts({ op, inputs }: LinearStep, outputs: readonly GpuValue[]): readonly LinearStep[] {
  return op.parts.map((part, i) => {
    const output = outputs[i] as GpuValue;
    return { op: { ...plainProduct([part]), norm: op.norm }, inputs, outputs: [output], label: output.label };
  });
}

type JoinedAttention = GpuStepOf<{ readonly kind: string; readonly joined: boolean; readonly gated?: true | undefined }>;

/** Attention that reads its heads from values of their own. */
function ofSeparate(attention: JoinedAttention, values: readonly GpuValue[]): JoinedAttention {
  return { ...attention, op: { ...attention.op, joined: false }, inputs: [...values, ...attention.inputs.slice(1)] };
}

/** The gate of attention's result as the product that it was before it joined those of q, k and v. */
function gateApart(product: LinearStep, attention: JoinedAttention, fresh: CutContext['fresh']): Cut['by'] {
  const [y] = attention.outputs as readonly [GpuValue];
  const outer = outerOf(y);
  const heads = fresh([outer, widthOf(product.outputs[0] as GpuValue) - widthOf(y)], product.label);
  const attended = fresh(y.shape, `${attention.label}.ungated`);
  const multiply: LinearStep = { ...product, op: { ...product.op, parts: product.op.parts.slice(0, -1) }, outputs: [heads] };
  const op = { ...attention.op, gated: undefined };
  const attend: JoinedAttention = { ...attention, op, inputs: [heads, ...attention.inputs.slice(1)], outputs: [attended] };
  const activation = { fn: 'sigmoid', times: { start: 0, of: widthOf(y) } } as const;
  const close: LinearStep = {
    ...product, op: { ...product.op, parts: product.op.parts.slice(-1), activation },
    inputs: [...product.inputs, attended], outputs: [y], label: attention.label,
  };
  return [multiply, attend, close];
}

/**
 * The joined product of q, k and v, or what norms have made of it, as three values, which attention then reads one by one. A sum that the
 * product makes is made once, before all three.
 */
export function separatedHeads(read: GpuStepOf<LinearOp | NormPartsOp>, attention: JoinedAttention, fresh: CutContext['fresh']): Cut {
  const [joined] = read.outputs as readonly [GpuValue];
  const outer = outerOf(joined);
  const { op } = read;
  if (op.kind === 'normParts') {
    let start = 0;
    const taken = op.parts.map(({ width }, i): GpuStepOf<ColumnsOp> => {
      const output = fresh([outer, width], `${read.label}.${i}`);
      const step = { op: { kind: 'columns', start, width } as const, inputs: [joined], outputs: [output], label: output.label };
      start += width;
      return step;
    });
    return { replaced: [attention], by: [...taken, ofSeparate(attention, taken.map(({ outputs }) => outputs[0] as GpuValue))] };
  }
  const { before, product } = sumApart({ ...read, op }, fresh);
  const replaced = [read, attention];
  if (attention.op.gated) return { replaced, by: [...before, ...gateApart(product, attention, fresh)] };
  const values = op.parts.map(({ weight }) => fresh([outer, weight.shape[0] as number], weight.id));
  return { replaced, by: [...before, ...separateProducts(product, values), ofSeparate(attention, values)] };
}

interface NormedReaders {
  readonly norms: GpuStepOf<NormPartsOp>;
  readonly attention: JoinedAttention;
  readonly fresh: CutContext['fresh'];
}

/** The same with the norms between the product and attention. */
function separatedNormedHeads(product: LinearStep, { norms, attention, fresh }: NormedReaders): Cut {
  const outer = outerOf(product.outputs[0] as GpuValue);
  const values = product.op.parts.map(({ weight }) => fresh([outer, weight.shape[0] as number], weight.id));
  const normed = separateNorms(norms.op, values, ({ shape }, label) => fresh(shape, label));
  const by = [...separateProducts(product, values), ...normed.steps, ofSeparate(attention, normed.values)];
  return { replaced: [product, norms, attention], by };
}
