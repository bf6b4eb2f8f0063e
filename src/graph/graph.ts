/**
 * A part of a model as a list of semantic ops on named dims, in an order in which they can run.
 * A graph knows shapes and weight ids; it knows neither weight types nor devices.
 */
import type { DerivedDim } from './dims.ts';
import { rulesOf } from './ops/index.ts';
import type { GraphOp } from './ops/index.ts';
import { printState } from './state.ts';
import type { State } from './state.ts';
import { formatShape } from './value.ts';
import type { Value, WeightRef } from './value.ts';

/** One op with what it reads and writes. Plans reuse this form for fused ops, with values of types of their own. */
export interface Step<Op extends { readonly kind: string }, V extends Value<string> = Value> {
  readonly op: Op;
  readonly inputs: readonly V[];
  readonly outputs: readonly V[];
  /** Dotted path: `layers.3.attn.q`. */
  readonly label: string;
}

export type GraphNode = Step<GraphOp>;

export interface Graph {
  readonly name: string;
  /** What a run gives, by name. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** What a run makes, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** Dims whose sizes follow from others, each after those that it needs. */
  readonly derivedDims: readonly DerivedDim[];
  readonly nodes: readonly GraphNode[];
  /** Those that its ops name. */
  readonly states: readonly State[];
  /** Every weight that some op reads, once, in order of first use. */
  readonly weights: readonly WeightRef[];
  /** Values that evaluation may ask for by name (`hidden.0` .. `hidden.L`). */
  readonly taps: ReadonlyMap<string, Value>;
}

/** False where some row sees positions after its own: the rows of a prompt must then come in one step. */
export function isCausal(graph: Graph): boolean {
  return graph.nodes.every(({ op }) => op.kind !== 'attention' || op.causal);
}

/** @throws Error for a name that the graph does not have */
export function inputOf({ name, inputs }: Graph, input: string): Value {
  return named(inputs, input, `graph ${name}: no input`);
}

/** @throws Error for a name that the graph does not have */
export function outputOf({ name, outputs }: Graph, output: string): Value {
  return named(outputs, output, `graph ${name}: no output`);
}

function named(values: ReadonlyMap<string, Value>, key: string, problem: string): Value {
  const value = values.get(key);
  if (value === undefined) throw new Error(`${problem} ${key}; there are ${[...values.keys()].join(', ')}`);
  return value;
}

function describeOp(op: GraphOp): string {
  const { weights, print } = rulesOf(op);
  return [...weights(op).map((weight) => `${weight.id}${formatShape(weight.shape)}`), print?.(op) ?? '']
    .filter((part) => part !== '')
    .join(' ');
}

function shown(value: Value): string {
  return `%${value.id}`;
}

/** The graph as text, a line per op: `%3 = linear(%2) blk[...] -> f32[rows, 64]  layers.0.attn.q`. */
export function printGraph(graph: Graph): string {
  const typed = (value: Value) => `${shown(value)} ${value.dtype}${formatShape(value.shape)}`;
  const lines = [`graph ${graph.name}(${[...graph.inputs.values()].map((v) => `${v.label} ${typed(v)}`).join(', ')})`];
  for (const dim of graph.derivedDims) lines.push(`  dim ${dim.name}`);
  for (const state of graph.states) lines.push(`  state ${printState(state)}`);
  for (const node of graph.nodes) {
    const call = `${node.op.kind}(${node.inputs.map(shown).join(', ')})`;
    lines.push(`  ${node.outputs.map(typed).join(', ')} = ${call} ${describeOp(node.op)}`.trimEnd() + `  # ${node.label}`);
  }
  for (const [tap, value] of graph.taps) lines.push(`  tap ${tap} = ${shown(value)}`);
  for (const [output, value] of graph.outputs) lines.push(`  return ${output} ${shown(value)}`);
  return lines.join('\n');
}
