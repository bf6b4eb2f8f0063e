/** Builds a graph op by op; every op checks its shapes as it is added. */
import type { Graph, GraphInputs, GraphNode } from './graph.ts';
import type { GraphOp, RopeTable } from './op.ts';
import { weightsOf } from './op.ts';
import { formatShape } from './value.ts';
import type { Dim, KvState, State, Value, WeightRef } from './value.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The functions with which a model writes its layers. Shape mistakes throw at once, with the op's path. */
export interface GraphBuilder {
  readonly inputs: GraphInputs;
  /** Prefixes the labels of the ops that `body` adds. */
  scope<Result>(name: string, body: () => Result): Result;
  /** The label that an op called `name` has here: the scopes and the name, with dots between. */
  path(name: string): string;
  weight(id: string, shape: readonly number[]): WeightRef;
  kvState(kvHeads: number, headDim: number): KvState;
  tap(name: string, value: Value): void;
  embed(name: string, weight: WeightRef): Value;
  rmsNorm(name: string, x: Value, weight: WeightRef, eps: number, groups?: number): Value;
  linear(name: string, x: Value, weight: WeightRef, bias?: WeightRef): Value;
  rope(name: string, x: Value, shape: { readonly heads: number; readonly headDim: number; readonly table: RopeTable }): Value;
  attention(name: string, qkv: readonly [Value, Value, Value], shape: AttentionShape & { readonly scale: number; readonly state: KvState }): Value;
  swiglu(name: string, gate: Value, up: Value): Value;
  add(name: string, a: Value, b: Value): Value;
  gatherRows(name: string, x: Value): Value;
}

interface Draft {
  readonly name: string;
  readonly inputs: GraphInputs;
  readonly nodes: GraphNode[];
  readonly states: State[];
  readonly weights: Map<string, WeightRef>;
  readonly taps: Map<string, Value>;
  readonly path: string[];
  nextId: number;
}

function fail(label: string, expected: string, found: string): never {
  throw new Error(`graph op ${label}: expected ${expected}, found ${found}`);
}

function expectShape(label: string, what: string, found: readonly Dim[], expected: readonly Dim[]): void {
  if (found.length !== expected.length || found.some((dim, i) => dim !== expected[i])) {
    fail(label, `${what} of shape ${formatShape(expected)}`, formatShape(found));
  }
}

/** The width of a matrix value [rows | outRows, width]. */
function widthOf(label: string, value: Value): number {
  const [outer, width] = value.shape;
  if (value.shape.length !== 2 || typeof outer === 'number' || typeof width !== 'number') {
    fail(label, 'a value of shape [rows, width]', formatShape(value.shape));
  }
  return width as number;
}

function addNode(draft: Draft, name: string, op: GraphOp, inputs: readonly Value[], shape: readonly Dim[]): Value {
  for (const weight of weightsOf(op)) {
    const known = draft.weights.get(weight.id);
    if (known === undefined) draft.weights.set(weight.id, weight);
    else expectShape(name, `weight ${weight.id}`, weight.shape, known.shape);
  }
  const label = labelOf(draft, name);
  const output: Value = { id: draft.nextId++, dtype: 'f32', shape, label };
  draft.nodes.push({ op, inputs, outputs: [output], label });
  return output;
}

function labelOf(draft: Draft, name: string): string {
  return [...draft.path, name].join('.');
}

function addLinear(draft: Draft, name: string, x: Value, weight: WeightRef, bias: WeightRef | undefined): Value {
  const label = labelOf(draft, name);
  const width = widthOf(label, x);
  const [out, cols] = weight.shape;
  if (weight.shape.length !== 2 || cols !== width || out === undefined) {
    fail(label, `weight ${weight.id} of shape [out, ${width}]`, formatShape(weight.shape));
  }
  if (bias !== undefined) expectShape(label, `bias ${bias.id}`, bias.shape, [out as number]);
  return addNode(draft, name, { kind: 'linear', weight, bias }, [x], [x.shape[0] as Dim, out as number]);
}

type RopeShape = Parameters<GraphBuilder['rope']>[2];

function addRope(draft: Draft, name: string, x: Value, { heads, headDim, table }: RopeShape): Value {
  const label = labelOf(draft, name);
  expectShape(label, 'x', x.shape, ['rows', heads * headDim]);
  if (table.frequencies.length * 2 > headDim) {
    fail(label, `at most ${headDim / 2} frequencies for headDim ${headDim}`, String(table.frequencies.length));
  }
  return addNode(draft, name, { kind: 'rope', heads, headDim, table }, [x, draft.inputs.positions], x.shape);
}

type AttentionOptions = Parameters<GraphBuilder['attention']>[2];

function addAttention(draft: Draft, name: string, qkv: readonly [Value, Value, Value], options: AttentionOptions): Value {
  const label = labelOf(draft, name);
  const { heads, kvHeads, headDim, scale, state } = options;
  if (heads % kvHeads !== 0) fail(label, 'heads to be a multiple of kvHeads', `${heads} and ${kvHeads}`);
  expectShape(label, 'q', qkv[0].shape, ['rows', heads * headDim]);
  expectShape(label, 'k', qkv[1].shape, ['rows', kvHeads * headDim]);
  expectShape(label, 'v', qkv[2].shape, ['rows', kvHeads * headDim]);
  if (state.kvHeads !== kvHeads || state.headDim !== headDim) {
    fail(label, `state of kvHeads ${kvHeads}, headDim ${headDim}`, `kvHeads ${state.kvHeads}, headDim ${state.headDim}`);
  }
  const op: GraphOp = { kind: 'attention', heads, kvHeads, headDim, scale, state };
  return addNode(draft, name, op, [...qkv, draft.inputs.positions], qkv[0].shape);
}

/** Runs `body`, which returns the logits [outRows, vocab], and gives the graph of the ops that it added. */
export function buildGraph(name: string, body: (g: GraphBuilder) => Value): Graph {
  const inputs: GraphInputs = {
    tokens: { id: 0, dtype: 'i32', shape: ['rows'], label: 'tokens' },
    positions: { id: 1, dtype: 'i32', shape: ['rows'], label: 'positions' },
    outIndices: { id: 2, dtype: 'i32', shape: ['outRows'], label: 'outIndices' },
  };
  const draft: Draft = { name, inputs, nodes: [], states: [], weights: new Map(), taps: new Map(), path: [], nextId: 3 };
  const logits = body(builderOf(draft));
  if (logits.shape[0] !== 'outRows') fail('logits', 'shape [outRows, vocab]', formatShape(logits.shape));
  const { nodes, states, taps } = draft;
  return { name, inputs, nodes, states, weights: [...draft.weights.values()], logits, taps };
}

function builderOf(draft: Draft): GraphBuilder {
  const { inputs } = draft;
  const pair = (name: string, kind: 'swiglu' | 'add', a: Value, b: Value) => {
    expectShape(labelOf(draft, name), 'second input', b.shape, a.shape);
    return addNode(draft, name, { kind }, [a, b], a.shape);
  };
  return {
    inputs,
    scope(name, body) {
      draft.path.push(name);
      const result = body();
      draft.path.pop();
      return result;
    },
    path: (name) => labelOf(draft, name),
    weight: (id, shape) => ({ id, shape }),
    kvState(kvHeads, headDim) {
      const state: KvState = { kind: 'kv', index: draft.states.length, kvHeads, headDim };
      draft.states.push(state);
      return state;
    },
    tap: (name, value) => void draft.taps.set(name, value),
    embed: (name, weight) => addNode(draft, name, { kind: 'embed', weight }, [inputs.tokens], ['rows', weight.shape[1] as number]),
    rmsNorm(name, x, weight, eps, groups = 1) {
      const width = widthOf(labelOf(draft, name), x);
      expectShape(labelOf(draft, name), `gain ${weight.id} of ${groups} group(s)`, weight.shape, [width / groups]);
      return addNode(draft, name, { kind: 'rmsNorm', weight, eps, groups }, [x], x.shape);
    },
    linear: (name, x, weight, bias) => addLinear(draft, name, x, weight, bias),
    rope: (name, x, shape) => addRope(draft, name, x, shape),
    attention: (name, qkv, options) => addAttention(draft, name, qkv, options),
    swiglu: (name, gate, up) => pair(name, 'swiglu', gate, up),
    add: (name, a, b) => pair(name, 'add', a, b),
    gatherRows: (name, x) =>
      addNode(draft, name, { kind: 'gatherRows' }, [x, inputs.outIndices], ['outRows', widthOf(labelOf(draft, name), x)]),
  };
}
