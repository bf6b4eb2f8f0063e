/** From a graph to CPU steps, one by one and unfused; rules.ts fuses them. */
import type { Graph } from '../graph/graph.ts';
import { lowerNodes } from '../graph/lower-nodes.ts';
import type { GraphOp } from '../graph/ops/index.ts';
import { planSteps } from '../graph/plan.ts';
import type { FusionRule, Plan } from '../graph/plan.ts';
import type { Value } from '../graph/value.ts';
import type { TypeOf } from '../graph/weight-lookup.ts';
import { takesInt8 } from '../tensor/formats/weight-formats.ts';
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

/** The plan of a graph for given weight types. Matrices whose codes are integers read int8 forms, made once per value. */
export function planForCpu(graph: Graph, options: LowerOptions): CpuPlan {
  return planSteps<CpuOp, CpuValue>({
    steps: lowerGraph(graph, options.typeOf),
    rules: options.rules ?? CPU_RULES,
    kept: [...graph.outputs.values(), ...(options.taps ?? [])],
    inputs: [...graph.inputs.values()],
  });
}

function lowerGraph(graph: Graph, typeOf: TypeOf): CpuStep[] {
  return lowerNodes<CpuOp, 'q8'>(graph, {
    makeForm(value) {
      const codes = quantizedForm(value);
      return { op: { kind: 'quantize' }, inputs: [value], outputs: [codes], label: codes.label };
    },
    lower(node, codesOf) {
      const lower = LOWERINGS[node.op.kind] as unknown as Lower<GraphOp, CpuOp>;
      return lower(node, { inputFor: ({ id }, x) => (takesInt8(typeOf(id)) ? codesOf(x) : x) });
    },
  });
}
