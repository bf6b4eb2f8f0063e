/** The rules for layers of the gated delta rule: a product, a convolution, the rule with the norm and gate behind it. */
import { isStep, privateProducer } from '../../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import { isPlainProduct } from '../ops/linear-op.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import { outerOf } from './gpu-value.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

type Rule = FusionRule<GpuOp, GpuValue>;
type Context = FusionContext<GpuOp, GpuValue>;

/** fn(convolution(x)). */
export const convolutionActivation: Rule = {
  name: 'convolution-activation',
  match(step, context) {
    if (!isStep(step, 'activation') || step.inputs.length !== 1 || step.op.clamp !== undefined) return undefined;
    const maker = privateProducer(step.inputs[0], 'shortConvolution', context);
    if (maker === undefined || maker.op.gates !== undefined || maker.op.activation !== undefined) return undefined;
    const op = { ...maker.op, activation: step.op.fn };
    return { replaced: [maker, step], by: { ...maker, op, outputs: step.outputs } };
  },
};

/** The step that makes a value for one reader, a product of one matrix without anything else. */
function plainProduct(value: GpuValue | undefined, context: Context): GpuStepOf<LinearOp> | undefined {
  const maker = privateProducer(value, 'linear', context);
  return maker === undefined || maker.outputs.length > 1 || !isPlainProduct(maker.op) ? undefined : maker;
}

/** The delta rule behind `silu(z) * norm(y)`, with the norm and its convolution. */
function normedRule(step: GpuStep, context: Context) {
  if (!isStep(step, 'activation') || step.op.fn !== 'silu') return undefined;
  if (step.op.columns !== undefined || step.op.clamp !== undefined) return undefined;
  const norm = privateProducer(step.inputs[1], 'norm', context);
  const rule = privateProducer(norm?.inputs[0], 'deltaRule', context);
  if (norm === undefined || rule === undefined || rule.op.gates !== undefined) return undefined;
  if (norm.op.gather || norm.op.groups !== rule.op.valueHeads) return undefined;
  const convolution = privateProducer(rule.inputs[0], 'shortConvolution', context);
  return convolution === undefined || convolution.op.gates !== undefined ? undefined : { norm, rule, convolution };
}

/**
 * The products of qkv, z, b and a as one, whose columns the convolution and the rule read; the rule makes the norm of each head and its
 * gate. Matrices of several types would bind more buffers than small devices have.
 */
export function deltaNet(typeOf: (id: string) => string): Rule {
  return {
    name: 'delta-net',
    match(step, context) {
      const found = normedRule(step, context);
      if (found === undefined) return undefined;
      const { norm, rule, convolution } = found;
      const [, a, b] = rule.inputs;
      const products = [convolution.inputs[0], step.inputs[0], b, a].map((value) => plainProduct(value, context));
      const [first] = products;
      if (first === undefined || new Set(products).size !== products.length) return undefined;
      const all = products as GpuStepOf<LinearOp>[];
      const isJoined = all.every((product) => product?.inputs[0]?.id === first.inputs[0]?.id);
      if (!isJoined || new Set(all.map(({ op }) => typeOf(op.parts[0]?.weight.id as string))).size > 1) return undefined;
      const starts = [0];
      for (const { outputs: [y] } of all) starts.push((starts.at(-1) as number) + widthOf(y as GpuValue));
      const [, z, ofB, ofA, of] = starts as [number, number, number, number, number];
      const label = all.map((product) => product.label).join('+');
      // None of the four exists by itself any more, so the joined value may have an id of theirs.
      const joined: GpuValue = { ...(first.outputs[0] as GpuValue), shape: [outerOf(first.outputs[0] as GpuValue), of], label };
      const product: GpuStep = { ...first, op: { ...first.op, parts: all.flatMap(({ op }) => op.parts) }, outputs: [joined], label };
      const convolve: GpuStep = { ...convolution, inputs: [joined] };
      const op = { ...rule.op, gates: { of, a: ofA, b: ofB, z }, norm: { weight: norm.op.weight, eps: norm.op.eps } };
      const ruled: GpuStep = { ...rule, op, inputs: [rule.inputs[0] as GpuValue, joined], outputs: step.outputs };
      return { replaced: [...all, convolution, rule, norm, step], by: [product, convolve, ruled] };
    },
  };
}
