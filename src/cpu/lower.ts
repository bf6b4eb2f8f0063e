/** From a graph to CPU steps, one by one and unfused; rules.ts fuses them. */
import type { Graph, GraphNode } from '../graph/graph.ts';
import { planSteps } from '../graph/plan.ts';
import type { FusionRule, Plan } from '../graph/plan.ts';
import type { Value } from '../graph/value.ts';
import type { TypeOf } from '../graph/weight-lookup.ts';
import { isQuantized } from '../tensor/tensor-type.ts';
import type { Lower } from './cpu-op-rules.ts';
import { quantizedForm } from './cpu-value.ts';
import type { CpuValue } from './cpu-value.ts';
import { LOWERINGS } from './ops/index.ts';
import type { CpuOp, CpuStep } from './ops/index.ts';
import { CPU_RULES } from './rules.ts';

export interface LowerOptions {
  readonly typeOf: TypeOf;
  /** Values, besides the outputs, that must exist after the run. */
  readonly taps?: readonly Value[];
  /** Default: all of {@link CPU_RULES}. */
  readonly rules?: readonly FusionRule<CpuOp, CpuValue>[] | undefined;
}

export type CpuPlan = Plan<CpuOp, CpuValue>;

/** The plan of a graph for given weight types. Matrices of quantised weights read int8 forms, made once per value. */
export function planForCpu(graph: Graph, options: LowerOptions): CpuPlan {
  return planSteps<CpuOp, CpuValue>({
    steps: lowerGraph(graph, options.typeOf),
    rules: options.rules ?? CPU_RULES,
    kept: [...graph.outputs.values(), ...(options.taps ?? [])],
    inputs: [...graph.inputs.values()],
  });
}

function lowerGraph(graph: Graph, typeOf: TypeOf): CpuStep[] {
  const steps: CpuStep[] = [];
  const quantized = new Map<number, CpuValue>();
  const codesOf = (value: CpuValue): CpuValue => {
    const known = quantized.get(value.id);
    if (known !== undefined) return known;
    const codes = quantizedForm(value);
    quantized.set(value.id, codes);
    steps.push({ op: { kind: 'quantize' }, inputs: [value], outputs: [codes], label: codes.label });
    return codes;
  };
  const lowering = { inputFor: (weight: { readonly id: string }, x: CpuValue) => (isQuantized(typeOf(weight.id)) ? codesOf(x) : x) };
  for (const node of graph.nodes) {
    const lower = LOWERINGS[node.op.kind] as unknown as Lower<GraphNode['op'], CpuOp>;
    steps.push({ inputs: node.inputs, outputs: node.outputs, label: node.label, ...lower(node, lowering) });
  }
  return steps;
}
