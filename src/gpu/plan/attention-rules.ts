/** Rules for what attention reads: heads that it prepares itself, and q, k and v of one product. */
import { isStep, privateProducer } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { AttentionOp } from '../ops/attention-op.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import { isPlainProduct } from '../ops/linear-op.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import type { NormOp } from '../ops/rms-norm.ts';
import { outerOf } from './gpu-value.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

type Rule = FusionRule<GpuOp, GpuValue>;

const HEADS_INPUTS = ['q', 'k', 'v'] as const;

type HeadsInput = (typeof HEADS_INPUTS)[number];

/** Rotation, or a norm of each head, as attention reads q, k or v. Rotation comes last, so it is taken in first. */
export function headsIntoAttention(name: string, kind: 'rope' | 'norm'): Rule {
  return {
    name,
    match(step, context) {
      if (!isStep(step, 'attention')) return undefined;
      const inputs = [...step.inputs];
      const replaced: GpuStep[] = [];
      let op: AttentionOp = step.op;
      for (const [i, own] of HEADS_INPUTS.slice(0, op.stored ? 1 : 3).entries()) {
        const maker = privateProducer(inputs[i], kind, context);
        const shift = maker?.op.kind === 'rope' ? maker.inputs[2] : undefined;
        // Heads that turn by several positions, as those of images do, are turned before.
        const turnsApart = maker?.op.kind === 'rope' && (maker.inputs[1]?.id !== inputs.at(-1)?.id || (op.stored && shift !== undefined));
        const prepared = turnsApart ? undefined : maker && withPreparation(op, own, maker);
        if (maker === undefined || prepared === undefined) continue;
        if (shift !== undefined && !op.shifted) inputs.splice(-1, 0, shift);
        op = shift === undefined ? prepared : { ...prepared, shifted: true };
        inputs[i] = maker.inputs[0] as GpuValue;
        replaced.push(maker);
      }
      return replaced.length === 0 ? undefined : { replaced: [...replaced, step], by: { ...step, op, inputs } };
    },
  };
}

/** The op with a rotation or norm of an input; undefined where it has no place for it. */
function withPreparation(op: AttentionOp, own: HeadsInput, { op: maker }: GpuStep): AttentionOp | undefined {
  if (maker.kind === 'rope') {
    if (own === 'v' || op[own].norm !== undefined || op[own].table !== undefined) return undefined;
    return { ...op, [own]: { ...op[own], table: maker.table } };
  }
  const heads = own === 'q' ? op.heads : op.state.heads;
  if (maker.kind !== 'norm' || maker.gather || maker.groups !== heads) return undefined;
  const norm = { weight: maker.weight, eps: maker.eps };
  if (own === 'v') return op.vNorm === undefined && 'fill' in norm.weight ? { ...op, vNorm: norm } : undefined;
  return op[own].norm === undefined ? { ...op, [own]: { ...op[own], norm } } : undefined;
}

/** q, k and v of one input as one product, which attention reads row by row. */
export const joinedQkv: Rule = {
  name: 'joined-qkv',
  match(step, context) {
    if (!isStep(step, 'attention') || step.op.joined || step.op.stored) return undefined;
    const [q, k, v, ...rest] = step.inputs;
    const linears = [q, k, v].map((value) => privateProducer(value, 'linear', context));
    const [first] = linears;
    const products = linears.filter(
      (linear) => linear !== undefined && isPlainProduct(linear.op) && linear.inputs[0]?.id === first?.inputs[0]?.id,
    ) as GpuStepOf<LinearOp>[];
    if (first === undefined || products.length !== 3 || new Set(products).size !== 3) return undefined;
    const width = [q, k, v].reduce((sum, value) => sum + widthOf(value as GpuValue), 0);
    const label = products.map((product) => product.label).join('+');
    // q does not exist by itself any more, so the joined value may have its id.
    const joined: GpuValue = { ...(q as GpuValue), shape: [(q as GpuValue).shape[0] as GpuValue['shape'][0], width], label };
    const product: GpuStep = {
      op: { ...first.op, parts: products.flatMap(({ op }) => op.parts) },
      inputs: first.inputs,
      outputs: [joined],
      label,
    };
    return { replaced: [...products, step], by: [product, { ...step, op: { ...step.op, joined: true }, inputs: [joined, ...rest] }] };
  },
};

/** A product that a norm over its whole row reads, alone or before a rotation. */
function normedProduct(value: GpuValue | undefined, context: Parameters<Rule['match']>[1]) {
  const norm = privateProducer(value, 'norm', context);
  const product = norm && privateProducer(norm.inputs[0], 'linear', context);
  return norm === undefined || product === undefined || norm.op.groups !== 1 || norm.op.gather ? undefined : { norm, product };
}

/** q, k and v of one input as one product, of which q and k are normed over their whole rows before attention reads them. */
export const joinedRowNorms: Rule = {
  name: 'joined-row-norms',
  match(step, context) {
    if (!isStep(step, 'attention') || step.op.joined || step.op.stored) return undefined;
    const [q, k, v, ...rest] = step.inputs;
    const normed = [q, k].map((value) => normedProduct(value, context));
    const products = [...normed.map((each) => each?.product), privateProducer(v, 'linear', context)];
    const [first] = products;
    const isJoined = products.every((product) => product && isPlainProduct(product.op) && product.inputs[0]?.id === first?.inputs[0]?.id);
    if (first === undefined || !isJoined || new Set(products).size !== 3) return undefined;
    const all = products as GpuStepOf<LinearOp>[];
    const norms = normed.map((each) => each?.norm as GpuStepOf<NormOp>);
    const parts = all.map(({ outputs: [y] }, i) => {
      const norm = norms[i]?.op;
      return { width: widthOf(y as GpuValue), norm: norm && { weight: norm.weight, eps: norm.eps } };
    });
    const shape = [outerOf(q as GpuValue), parts.reduce((sum, { width }) => sum + width, 0)] as const;
    const label = all.map((product) => product.label).join('+');
    // Neither q by itself nor what becomes of it in a norm exists any more, so the joined values may have their ids.
    const joined: GpuValue = { ...(first.outputs[0] as GpuValue), shape, label };
    const ready: GpuValue = { ...(q as GpuValue), shape, label: norms.map((norm) => norm.label).join('+') };
    const product: GpuStep = { ...first, op: { ...first.op, parts: all.flatMap(({ op }) => op.parts) }, outputs: [joined], label };
    const norm: GpuStep = { op: { kind: 'normParts', parts }, inputs: [joined], outputs: [ready], label: ready.label };
    const attend: GpuStep = { ...step, op: { ...step.op, joined: true }, inputs: [ready, ...rest] };
    return { replaced: [...all, ...norms, step], by: [product, norm, attend] };
  },
};
