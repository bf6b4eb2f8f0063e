/** A model: graphs over shared weights and states, loaded as one program. */
import { added, buildGraph } from './graph-builder.ts';
import type { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph.ts';
import { printGraph } from './graph.ts';
import { nextPagedState } from './state.ts';
import type { PagedShape, PagedState, SlotShape, SlotState, State } from './state.ts';
import type { WeightRef } from './value.ts';
import { elementsOf } from '../tensor/tensor-type.ts';

/** A table of which the host reads the rows of a step's tokens, so that the device need not hold it. */
export interface HostRows {
  /** Input of the graph that takes the rows: [rows, width], f32. */
  readonly input: string;
  /** [tokens, width]. */
  readonly table: WeightRef;
}

/** A graph that reads tokens, and what its inputs are called. */
export interface TokenGraphNames {
  readonly graph: string;
  /** [rows], i32. */
  readonly tokens: string;
  /** [rows], i32. */
  readonly positions: string;
  /** Rows whose output is wanted: [outRows], i32. */
  readonly outIndices: string;
  /** [rows], i32, none above 0: what is added to positions before rows are turned; absent where the graph does not ask. */
  readonly shift?: string | undefined;
  /** [rows], i32: which of several texts of one sequence a token is of (BERT); absent where the graph does not ask. */
  readonly tokenTypes?: string | undefined;
  /** Absent where every table is the device's. */
  readonly hostRows?: HostRows | undefined;
}

/** The graph that makes logits of tokens. */
export interface DecoderNames extends TokenGraphNames {
  /** [outRows, vocab]. */
  readonly logits: string;
}

/** Which states of a text make its embedding: the last one, the mean of all, or the first. */
export const POOLINGS = ['last', 'mean', 'cls'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** The graph that makes states of tokens, which pooled are embeddings. */
export interface EncoderNames extends TokenGraphNames {
  /** [outRows, width]. */
  readonly states: string;
  readonly pooling: Pooling;
}

/** The graph that hears a sound and leaves what it made of it in the memories that the decoder attends to; and what it calls things. */
export interface ListenerNames {
  readonly graph: string;
  /** [rows, width], f32: samples, or features of frames. */
  readonly sound: string;
  /** The dim that counts the rows of the sound. */
  readonly rows: string;
  /** [memory], i32: the positions of what it leaves. */
  readonly positions: string;
  /** The dim that counts those, which follows from `rows`. */
  readonly memory: string;
  /** [memory, width]: what the memories are made of. */
  readonly encoded: string;
}

/**
 * The graph that tells how much tokens attend to each position of the sound that was heard, and what it calls things. Its outputs are
 * called `weights` and a layer, [rows, heads * positions], as `memoryWeights` has them.
 */
export interface AlignerNames {
  readonly graph: string;
  /** [rows], i32. */
  readonly tokens: string;
  /** [rows], i32. */
  readonly positions: string;
  /** The dim that counts the tokens. */
  readonly rows: string;
  readonly weights: string;
}

export interface ModelGraphs {
  readonly name: string;
  readonly graphs: ReadonlyMap<string, Graph>;
  readonly states: readonly State[];
  /** Every weight of any graph, once. */
  readonly weights: readonly WeightRef[];
  /** Undefined for a model that predicts no tokens. */
  readonly decoder: DecoderNames | undefined;
  /** Undefined for a model that makes no embeddings. */
  readonly encoder: EncoderNames | undefined;
  /** Undefined for a model whose decoder attends to no memory. */
  readonly listener: ListenerNames | undefined;
  /** Undefined for a model that does not tell where its tokens are said. */
  readonly aligner: AlignerNames | undefined;
}

export interface ModelBuilder {
  /** A state that several graphs may name. */
  pagedState(shape: PagedShape): PagedState;
  slotState(shape: SlotShape): SlotState;
  /** `continues`: a graph before it, whose states it goes on with, in the order in which that has them, and makes none of its own. */
  graph(name: string, body: (g: GraphBuilder) => void, continues?: string): void;
}

/** What decoders call their graph, its inputs and its output. */
export const DECODER: DecoderNames = {
  graph: 'decoder',
  tokens: 'tokens',
  positions: 'positions',
  outIndices: 'outIndices',
  logits: 'logits',
};

/** What decoders call {@link TokenGraphNames.shift}. */
export const SHIFT = 'shift';

/** What encoders call their graph, its inputs and its output. */
export const ENCODER: Omit<EncoderNames, 'pooling'> = {
  graph: 'encoder',
  tokens: 'tokens',
  positions: 'positions',
  outIndices: 'outIndices',
  states: 'states',
};

/** What models that hear call their graph, its inputs and its output. */
export const LISTENER: ListenerNames = {
  graph: 'listener', sound: 'sound', rows: 'sounds', positions: 'positions', memory: 'memory', encoded: 'encoded',
};

/** What models that align call their graph, its inputs and its outputs. */
export const ALIGNER: AlignerNames = {
  graph: 'aligner', tokens: 'tokens', positions: 'positions', rows: 'alignedRows', weights: 'weights',
};

/** What a model's graphs are for; without either it is for who knows its graphs by name, as those of sound are. */
export type ModelRoles = Partial<Pick<ModelGraphs, 'decoder' | 'encoder' | 'listener' | 'aligner'>>;

/**
 * Runs `body` and gives the model of the graphs that it wrote.
 * @throws Error for graphs that disagree on a weight's shape, and for a role whose graph is not there
 */
export function buildModel(
  name: string,
  body: (m: ModelBuilder) => void,
  { decoder, encoder, listener, aligner }: ModelRoles = { decoder: DECODER },
): ModelGraphs {
  const states: State[] = [];
  const graphs = new Map<string, Graph>();
  const weights = new Map<string, WeightRef>();
  body({
    pagedState: (shape) => added(states, nextPagedState(states, shape)),
    slotState: (shape) => added(states, { kind: 'slot', index: states.length, ...shape }),
    graph(graphName, write, continues) {
      if (graphs.has(graphName)) throw new Error(`model ${name}: two graphs are called ${graphName}`);
      const continued = continues === undefined ? undefined : graphOf({ name, graphs }, continues).states;
      graphs.set(graphName, buildGraph(graphName, write, { states, weights, continued }));
    },
  });
  const roles = [decoder, encoder, listener, aligner].filter((names) => names !== undefined);
  if (graphs.size === 0) throw new Error(`model ${name}: expected at least one graph, found none`);
  const missing = roles.find(({ graph }) => !graphs.has(graph));
  if (missing !== undefined)
    throw new Error(`model ${name}: expected a graph called ${missing.graph}, found ${[...graphs.keys()].join(', ') || 'none'}`);
  return { name, graphs, states, weights: [...weights.values()], decoder, encoder, listener, aligner };
}

/** A model of one graph, which is its decoder. */
export function modelOfDecoder(graph: Graph): ModelGraphs {
  const { name, states, weights, inputs } = graph;
  const decoder = { ...DECODER, graph: name, ...(inputs.has(SHIFT) && { shift: SHIFT }) };
  return {
    name, graphs: new Map([[name, graph]]), states, weights, decoder,
    encoder: undefined, listener: undefined, aligner: undefined,
  };
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

/** @throws Error for a model that makes embeddings only */
export function decoderOf({ name, decoder }: ModelGraphs): DecoderNames {
  if (decoder === undefined) throw new Error(`model ${name}: it has no decoder`);
  return decoder;
}

export function decoderGraphOf(model: ModelGraphs): Graph {
  return graphOf(model, decoderOf(model).graph);
}

/** The graph that texts go through: the decoder, or the encoder of a model that has none. */
export function textGraphOf(model: ModelGraphs): Graph {
  return graphOf(model, textGraphNames(model).graph);
}

/** Undefined for a model that reads no tokens. */
export function tokenGraphNames({ decoder, encoder }: ModelGraphs): TokenGraphNames | undefined {
  return decoder ?? encoder;
}

/** @throws Error for a model that reads no tokens */
export function textGraphNames(model: ModelGraphs): TokenGraphNames {
  const names = tokenGraphNames(model);
  if (names === undefined) throw new Error(`model ${model.name}: it has neither a decoder nor an encoder`);
  return names;
}

/** Values of all weights. */
export function parameterCount({ weights }: Pick<ModelGraphs, 'weights'>): number {
  return weights.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
}

/** All graphs as text. */
export function printModel(model: ModelGraphs): string {
  return [...model.graphs.values()].map((graph) => printGraph(graph)).join('\n');
}
