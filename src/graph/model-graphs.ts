/** A model: graphs over shared weights and states, loaded as one program. */
import { added, buildGraph } from './graph-builder.ts';
import type { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph.ts';
import { printGraph } from './graph.ts';
import { nextPagedState } from './state.ts';
import type { PagedShape, PagedState, SlotShape, SlotState, State } from './state.ts';
import type { WeightRef } from './value.ts';
import { elementsOf } from '../tensor/tensor-type.ts';

/** The graph that reads tokens and makes logits, and what its inputs and its output are called. */
export interface DecoderNames {
  readonly graph: string;
  /** [rows], i32. */
  readonly tokens: string;
  /** [rows], i32. */
  readonly positions: string;
  /** Rows whose logits are wanted: [outRows], i32. */
  readonly outIndices: string;
  /** [outRows, vocab]. */
  readonly logits: string;
}

export interface ModelGraphs {
  readonly name: string;
  readonly graphs: ReadonlyMap<string, Graph>;
  readonly states: readonly State[];
  /** Every weight of any graph, once. */
  readonly weights: readonly WeightRef[];
  readonly decoder: DecoderNames;
}

export interface ModelBuilder {
  /** A state that several graphs may name. */
  pagedState(shape: PagedShape): PagedState;
  slotState(shape: SlotShape): SlotState;
  graph(name: string, body: (g: GraphBuilder) => void): void;
}

/** What decoders call their graph, its inputs and its output. */
export const DECODER: DecoderNames = {
  graph: 'decoder',
  tokens: 'tokens',
  positions: 'positions',
  outIndices: 'outIndices',
  logits: 'logits',
};

/**
 * Runs `body` and gives the model of the graphs that it wrote.
 * @throws Error for graphs that disagree on a weight's shape, and one without its decoder
 */
export function buildModel(name: string, body: (m: ModelBuilder) => void, decoder = DECODER): ModelGraphs {
  const states: State[] = [];
  const graphs = new Map<string, Graph>();
  const weights = new Map<string, WeightRef>();
  body({
    pagedState: (shape) => added(states, nextPagedState(states, shape)),
    slotState: (shape) => added(states, { kind: 'slot', index: states.length, ...shape }),
    graph(graphName, write) {
      if (graphs.has(graphName)) throw new Error(`model ${name}: two graphs are called ${graphName}`);
      const graph = buildGraph(graphName, write, { states, weights });
      graphs.set(graphName, graph);
    },
  });
  if (!graphs.has(decoder.graph))
    throw new Error(`model ${name}: expected a graph called ${decoder.graph}, found ${[...graphs.keys()].join(', ') || 'none'}`);
  return { name, graphs, states, weights: [...weights.values()], decoder };
}

/** A model of one graph, which is its decoder. */
export function modelOfDecoder(graph: Graph): ModelGraphs {
  const { name, states, weights } = graph;
  return { name, graphs: new Map([[name, graph]]), states, weights, decoder: { ...DECODER, graph: name } };
}

/**
 * One of a model's graphs, or of what somebody has made of each of them.
 * @throws Error for a name that the model does not have
 */
export function graphOf<One>({ name, graphs }: { readonly name: string; readonly graphs: ReadonlyMap<string, One> }, wanted: string): One {
  const graph = graphs.get(wanted);
  if (graph === undefined) throw new Error(`model ${name}: no graph ${wanted}; there are ${[...graphs.keys()].join(', ')}`);
  return graph;
}

export function decoderGraphOf(model: ModelGraphs): Graph {
  return graphOf(model, model.decoder.graph);
}

/** Values of all weights. */
export function parameterCount({ weights }: Pick<ModelGraphs, 'weights'>): number {
  return weights.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
}

/** All graphs as text. */
export function printModel(model: ModelGraphs): string {
  return [...model.graphs.values()].map((graph) => printGraph(graph)).join('\n');
}
