/**
 * A model as a list of semantic ops on named dims, in an order in which they can run.
 * A graph knows shapes and weight ids; it knows neither weight types nor devices.
 */
import { formatShape } from './value.ts';
import type { State, Value, WeightRef } from './value.ts';
import { weightsOf } from './op.ts';
import type { GraphOp } from './op.ts';

/** One op with what it reads and writes. Plans reuse this form for fused ops. */
export interface Step<Op extends { readonly kind: string }> {
  readonly op: Op;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Dotted path: `layers.3.attn.q`. */
  readonly label: string;
}

export type GraphNode = Step<GraphOp>;

export interface GraphInputs {
  /** Token ids, [rows]. */
  readonly tokens: Value;
  /** Position of each row in its sequence, [rows]. */
  readonly positions: Value;
  /** Rows whose logits are wanted, [outRows]. */
  readonly outIndices: Value;
}

export interface Graph {
  readonly name: string;
  readonly inputs: GraphInputs;
  readonly nodes: readonly GraphNode[];
  readonly states: readonly State[];
  /** Every weight that some op reads, once, in order of first use. */
  readonly weights: readonly WeightRef[];
  /** [outRows, vocab]. */
  readonly logits: Value;
  /** Values that evaluation may ask for by name (`hidden.0` .. `hidden.L`), all [rows, dim]. */
  readonly taps: ReadonlyMap<string, Value>;
}

function describeOp(op: GraphOp): string {
  const weights = weightsOf(op)
    .map((weight) => `${weight.id}${formatShape(weight.shape)}`)
    .join(' ');
  switch (op.kind) {
    case 'rmsNorm':
      return `${weights} eps=${op.eps}${op.groups > 1 ? ` groups=${op.groups}` : ''}`;
    case 'rope':
      return `heads=${op.heads} headDim=${op.headDim} table=${op.table.id}`;
    case 'attention':
      return `heads=${op.heads} kvHeads=${op.kvHeads} headDim=${op.headDim} state=kv.${op.state.index}`;
    default:
      return weights;
  }
}

function name(value: Value): string {
  return `%${value.id}`;
}

/** The graph as text, a line per op: `%3 = linear(%2) blk[...] -> f32[rows, 64]  layers.0.attn.q`. */
export function printGraph(graph: Graph): string {
  const typed = (value: Value) => `${name(value)} ${value.dtype}${formatShape(value.shape)}`;
  const { tokens, positions, outIndices } = graph.inputs;
  const lines = [`graph ${graph.name}(${[tokens, positions, outIndices].map((v) => `${v.label} ${typed(v)}`).join(', ')})`];
  for (const state of graph.states) {
    lines.push(`  state kv.${state.index} kvHeads=${state.kvHeads} headDim=${state.headDim}`);
  }
  for (const node of graph.nodes) {
    const call = `${node.op.kind}(${node.inputs.map(name).join(', ')})`;
    lines.push(`  ${node.outputs.map(typed).join(', ')} = ${call} ${describeOp(node.op)}`.trimEnd() + `  # ${node.label}`);
  }
  for (const [tap, value] of graph.taps) lines.push(`  tap ${tap} = ${name(value)}`);
  lines.push(`  return ${name(graph.logits)}`);
  return lines.join('\n');
}
