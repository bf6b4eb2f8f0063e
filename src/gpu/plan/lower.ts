/** From a graph to GPU steps, one by one and unfused; rules.ts fuses them. */
import type { Graph, GraphNode } from '../../graph/graph.ts';
import { planSteps } from '../../graph/plan.ts';
import type { Plan } from '../../graph/plan.ts';
import type { Value } from '../../graph/value.ts';
import { isQuantized } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { roundedForm } from './gpu-op.ts';
import type { GpuOp, GpuStep } from './gpu-op.ts';
import { gpuRules } from './rules.ts';

export interface GpuPlanOptions {
  readonly typeOf: (weightId: string) => WeightType;
  /** How quantised matrices take their input: rounded to int8, or as floats. */
  readonly activations: 'int8' | 'float';
  /** `one`: a single row whose logits are wanted, so that nothing has to be gathered. */
  readonly rows: 'one' | 'many';
  /** Values, besides the logits, that must exist after the run. */
  readonly taps?: readonly Value[] | undefined;
  /** Rules to leave out, by name: the same results, slower. For tests and experiments. */
  readonly withoutRules?: readonly string[] | undefined;
}

export type GpuPlan = Plan<GpuOp>;

export function planForGpu(graph: Graph, options: GpuPlanOptions): GpuPlan {
  const { tokens, positions, outIndices } = graph.inputs;
  return withMakersValues(planSteps({
    steps: lowerGraph(graph, options),
    rules: gpuRules(options.typeOf).filter(({ name }) => !options.withoutRules?.includes(name)),
    kept: [graph.logits, ...(options.taps ?? [])],
    inputs: options.rows === 'one' ? [tokens, positions] : [tokens, positions, outIndices],
  }));
}

/** Rules change the dtype of what a step makes; its readers then still name the value as it was. */
function withMakersValues(plan: GpuPlan): GpuPlan {
  const made = new Map(plan.steps.flatMap(({ outputs }) => outputs.map((value) => [value.id, value])));
  return { ...plan, steps: plan.steps.map((step) => ({ ...step, inputs: step.inputs.map((value) => made.get(value.id) ?? value) })) };
}

function lowerGraph(graph: Graph, { typeOf, activations, rows }: GpuPlanOptions): GpuStep[] {
  const steps: GpuStep[] = [];
  const rounded = new Map<number, Value>();
  /** Values that a gather of all rows would only copy, by the copy's id. */
  const same = new Map<number, Value>();
  const roundedOf = (value: Value): Value => {
    const known = rounded.get(value.id);
    if (known !== undefined) return known;
    const codes = roundedForm(value);
    rounded.set(value.id, codes);
    steps.push({ op: { kind: 'quantize', norm: undefined, gather: false }, inputs: [value], outputs: [codes], label: codes.label });
    return codes;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => same.get(value.id) ?? value);
    if (node.op.kind === 'gatherRows' && rows === 'one') {
      same.set((node.outputs[0] as Value).id, inputs[0] as Value);
    } else if (node.op.kind === 'linear') {
      const { weight, bias } = node.op;
      const x = inputs[0] as Value;
      const input = activations === 'int8' && isQuantized(typeOf(weight.id)) ? roundedOf(x) : x;
      const op: GpuOp = { kind: 'linear', parts: [{ weight, bias }], norm: undefined, gated: false, residual: false, rounding: undefined };
      steps.push({ op, inputs: [input], outputs: node.outputs, label: node.label });
    } else {
      steps.push({ op: lowerOp(node), inputs, outputs: node.outputs, label: node.label });
    }
  }
  return steps;
}

function lowerOp({ op }: GraphNode): GpuOp {
  switch (op.kind) {
    case 'embed':
      return { kind: 'embed', weight: op.weight, rounding: undefined };
    case 'rmsNorm':
      return { kind: 'norm', weight: op.weight, eps: op.eps, groups: op.groups, gather: false };
    case 'rope':
    case 'swiglu':
    case 'add':
      return op;
    case 'gatherRows':
      return { kind: 'gather' };
    case 'attention': {
      const asIs = { norm: undefined, table: undefined };
      return { ...op, q: asIs, k: asIs, joined: false };
    }
    case 'linear':
      throw new Error('lowerOp: linear is lowered with its input');
    default:
      throw new Error(`GPU executor: no step for op ${JSON.stringify(op satisfies never)}`);
  }
}
