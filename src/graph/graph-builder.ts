/** Builds a graph op by op; every op checks its shapes as it is added. */
import type { DerivedDim } from './dims.ts';
import type { Graph, GraphNode } from './graph.ts';
import { rulesOf } from './ops/index.ts';
import type { GraphOp } from './ops/index.ts';
import type { OpSink, ShapeCheck } from './op-rules.ts';
import { nextPagedState } from './state.ts';
import type { PagedShape, PagedState, SlotShape, SlotState, State } from './state.ts';
import { formatShape } from './value.ts';
import type { Dim, GraphType, Value, WeightRef } from './value.ts';

/** With this and the functions of `ops/` a model writes its layers. Shape mistakes throw at once, with the op's path. */
export interface GraphBuilder extends OpSink<GraphOp> {
  input(name: string, dtype: GraphType, shape: readonly Dim[]): Value;
  output(name: string, value: Value): void;
  /** A dim whose size follows from others; returns its name. */
  derivedDim(name: string, of: DerivedDim['of']): Dim;
  /** Prefixes the labels of the ops that `body` adds. */
  scope<Result>(name: string, body: () => Result): Result;
  /** The label that an op called `name` has here: the scopes and the name, with dots between. */
  path(name: string): string;
  weight(id: string, shape: readonly number[]): WeightRef;
  /** A state of this graph's own; `buildModel` has those that several share. */
  pagedState(shape: PagedShape): PagedState;
  slotState(shape: SlotShape): SlotState;
  tap(name: string, value: Value): void;
}

/** What the graphs of a model have together; each graph adds its own. */
export interface SharedParts {
  readonly states: State[];
  readonly weights: Map<string, WeightRef>;
  /** Of another graph, in the order in which that made them: this one goes on with them, and makes none of its own. */
  readonly continued?: readonly State[] | undefined;
}

interface Draft {
  readonly name: string;
  readonly inputs: Map<string, Value>;
  readonly outputs: Map<string, Value>;
  readonly derivedDims: DerivedDim[];
  readonly nodes: GraphNode[];
  readonly states: Set<State>;
  readonly weights: Map<string, WeightRef>;
  /** What all graphs of the model have. */
  readonly shared: SharedParts;
  readonly taps: Map<string, Value>;
  readonly path: string[];
  nextId: number;
  /** How many of the states that it goes on with it has asked for. */
  continued: number;
}

function shapeCheck(label: string): ShapeCheck {
  const fail = (expected: string, found: string): never => {
    throw new Error(`graph op ${label}: expected ${expected}, found ${found}`);
  };
  return {
    fail,
    shape(what, found, expected) {
      if (found.length !== expected.length || found.some((dim, i) => dim !== expected[i]))
        fail(`${what} of shape ${formatShape(expected)}`, formatShape(found));
    },
    rowsOf(value) {
      const [outer, width] = value?.shape ?? [];
      if (value?.shape.length !== 2 || outer === undefined || typeof width !== 'number')
        fail('a value of shape [rows, width]', formatShape(value?.shape ?? []));
      return { outer: outer as Dim, width: width as number };
    },
  };
}

function addNode(draft: Draft, name: string, op: GraphOp, inputs: readonly Value[]): Value {
  const label = labelOf(draft, name);
  const { weights, states, shape, follows, dtype = 'f32' } = rulesOf(op);
  const check = shapeCheck(label);
  follows?.(op, draft.nodes.map((node) => node.op), check);
  for (const weight of weights(op)) {
    const known = draft.shared.weights.get(weight.id) ?? weight;
    check.shape(`weight ${weight.id}`, weight.shape, known.shape);
    draft.shared.weights.set(weight.id, known);
    draft.weights.set(weight.id, known);
  }
  for (const state of states?.(op) ?? []) draft.states.add(state);
  const made = shape(op, inputs, check);
  const outputs: Value[] = made === undefined ? [] : [{ id: draft.nextId++, dtype, shape: made, label }];
  draft.nodes.push({ op, inputs, outputs, label });
  return (outputs[0] ?? inputs[0]) as Value;
}

function labelOf(draft: Draft, name: string): string {
  return [...draft.path, name].join('.');
}

/** Runs `body` and gives the graph of what it added. */
export function buildGraph(name: string, body: (g: GraphBuilder) => void, shared: SharedParts = { states: [], weights: new Map() }): Graph {
  const draft: Draft = {
    name,
    shared,
    inputs: new Map(),
    outputs: new Map(),
    derivedDims: [],
    nodes: [],
    states: new Set(),
    weights: new Map(),
    taps: new Map(),
    path: [],
    nextId: 0,
    continued: 0,
  };
  body(builderOf(draft));
  const { inputs, outputs, derivedDims, nodes, states, weights, taps } = draft;
  if (outputs.size === 0) throw new Error(`graph ${name}: expected at least one output, found none`);
  return {
    name,
    inputs,
    outputs,
    derivedDims,
    nodes,
    states: [...states].sort((a, b) => a.index - b.index),
    weights: [...weights.values()],
    taps,
  };
}

/** Adds a state to those of its model. */
export function added<Item extends State>(states: State[], state: Item): Item {
  states.push(state);
  return state;
}

/** The next of the states that a graph goes on with. @throws Error where it asks for another than the graph before it */
function continuedState(draft: Draft, continued: readonly State[], wanted: PagedShape | SlotShape): State {
  const state = continued[draft.continued++];
  const isSame = state !== undefined && Object.entries(wanted).every(([key, value]) =>
    JSON.stringify(value) === JSON.stringify((state as unknown as Record<string, unknown>)[key]));
  if (!isSame) throw new Error(`graph ${draft.name}: state ${draft.continued - 1} is not that of the graph that it goes on from`);
  return state;
}

function builderOf(draft: Draft): GraphBuilder {
  const { states, continued } = draft.shared;
  return {
    input(name, dtype, shape) {
      if (draft.inputs.has(name)) throw new Error(`graph ${draft.name}: two inputs are called ${name}`);
      const value: Value = { id: draft.nextId++, dtype, shape, label: name };
      draft.inputs.set(name, value);
      return value;
    },
    output: (name, value) => void draft.outputs.set(name, value),
    derivedDim(name, of) {
      draft.derivedDims.push({ name, of });
      return name;
    },
    scope(name, body) {
      draft.path.push(name);
      const result = body();
      draft.path.pop();
      return result;
    },
    path: (name) => labelOf(draft, name),
    weight: (id, shape) => ({ id, shape }),
    pagedState: (shape) => continued === undefined
      ? added(states, nextPagedState(states, shape))
      : (continuedState(draft, continued, shape) as PagedState),
    slotState: (shape) => continued === undefined
      ? added(states, { kind: 'slot', index: states.length, ...shape })
      : (continuedState(draft, continued, shape) as SlotState),
    tap: (name, value) => void draft.taps.set(name, value),
    op: (name, op, inputs) => addNode(draft, name, op, inputs),
  };
}
