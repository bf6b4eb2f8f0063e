/** From a graph to CPU steps, one by one and unfused; rules.ts fuses them. */
import type { Graph, GraphNode } from '../graph/graph.ts';
import { planSteps } from '../graph/plan.ts';
import type { FusionRule, Plan } from '../graph/plan.ts';
import type { Value } from '../graph/value.ts';
import { isQuantized } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { quantizedForm } from './cpu-op.ts';
import type { CpuOp, CpuStep } from './cpu-op.ts';
import { CPU_RULES } from './rules.ts';

export interface LowerOptions {
  readonly typeOf: (weightId: string) => WeightType;
  /** Values, besides the logits, that must exist after the run. */
  readonly taps?: readonly Value[];
  /** Default: all of {@link CPU_RULES}. */
  readonly rules?: readonly FusionRule<CpuOp>[] | undefined;
}

/** The plan of a graph for given weight types. Matrices of quantised weights read int8 forms, made once per value. */
export function planForCpu(graph: Graph, options: LowerOptions): Plan<CpuOp> {
  const { tokens, positions, outIndices } = graph.inputs;
  return planSteps({
    steps: lowerGraph(graph, options.typeOf),
    rules: options.rules ?? CPU_RULES,
    kept: [graph.logits, ...(options.taps ?? [])],
    inputs: [tokens, positions, outIndices],
  });
}

function lowerGraph(graph: Graph, typeOf: (weightId: string) => WeightType): CpuStep[] {
  const steps: CpuStep[] = [];
  const quantized = new Map<number, Value>();
  const codesOf = (value: Value): Value => {
    const known = quantized.get(value.id);
    if (known !== undefined) return known;
    const codes = quantizedForm(value);
    quantized.set(value.id, codes);
    steps.push({ op: { kind: 'quantize' }, inputs: [value], outputs: [codes], label: codes.label });
    return codes;
  };
  for (const node of graph.nodes) {
    if (node.op.kind === 'linear') {
      const x = node.inputs[0] as Value;
      const { weight, bias } = node.op;
      const input = isQuantized(typeOf(weight.id)) ? codesOf(x) : x;
      const op: CpuOp = { kind: 'linears', parts: [{ weight, bias, x: 0, residual: undefined }] };
      steps.push({ op, inputs: [input], outputs: node.outputs, label: node.label });
    } else {
      steps.push({ ...node, op: lowerOp(node) });
    }
  }
  return steps;
}

function lowerOp({ op }: GraphNode): CpuOp {
  switch (op.kind) {
    case 'embed':
    case 'swiglu':
    case 'add':
      return op;
    case 'gatherRows':
      return { kind: 'gather' };
    case 'rmsNorm':
      return { kind: 'norm', weight: op.weight, eps: op.eps, groups: op.groups, gather: false };
    case 'rope':
      return { kind: 'rotate', heads: op.heads, headDim: op.headDim, norm: undefined, table: op.table };
    case 'attention': {
      const asIs = { norm: undefined, table: undefined };
      return { ...op, q: asIs, k: asIs };
    }
    case 'linear':
      throw new Error('lowerOp: linear is lowered with its input');
    default:
      throw new Error(`CPU executor: no step for op ${JSON.stringify(op satisfies never)}`);
  }
}
