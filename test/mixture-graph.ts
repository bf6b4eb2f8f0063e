/** Decoders of one mixture of experts, as families have them. */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { activation, clampedGate, gated } from '../src/graph/ops/activation.ts';
import { add } from '../src/graph/ops/add.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { expertLinear } from '../src/graph/ops/expert-linear.ts';
import { expertSum } from '../src/graph/ops/expert-sum.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { route } from '../src/graph/ops/route.ts';
import type { RouteFields } from '../src/graph/ops/route.ts';
import { scaleRows } from '../src/graph/ops/scale-rows.ts';
import { shortConvolution } from '../src/graph/ops/short-convolution.ts';
import type { Value } from '../src/graph/value.ts';

export interface MixtureShape {
  readonly dim: number;
  readonly ffnDim: number;
  readonly experts: number;
  readonly used: number;
  readonly routing: Omit<RouteFields, 'used' | 'selectionBias' | 'expertScale'>;
  /** Selection biases and factors of experts. */
  readonly routeWeights?: boolean;
  /** Biases of the router and of experts, and a gate within bounds. */
  readonly isGptOss?: boolean;
  /** An expert that all rows go to, by a factor of each row. */
  readonly shared?: boolean;
  /** What the logits of the router become. */
  readonly logits?: (g: GraphBuilder, logits: Value) => Value;
}

export const SMALL_MIXTURE = {
  dim: 64, ffnDim: 96, experts: 8, used: 3, routing: { scores: 'softmax', normalise: { eps: 0 } },
} as const satisfies MixtureShape;

export const MIXTURE_SHAPES: Readonly<Record<string, MixtureShape>> = {
  'a softmax of those chosen': SMALL_MIXTURE,
  'a softmax of all, scaled': { ...SMALL_MIXTURE, routing: { scores: 'softmax', scale: 2.5 } },
  'a softmax with biases and factors': { ...SMALL_MIXTURE, routeWeights: true },
  'sigmoids': { ...SMALL_MIXTURE, used: 1, routing: { scores: 'sigmoid' } },
  'sigmoids with biases and factors': {
    ...SMALL_MIXTURE, routeWeights: true, routing: { scores: 'sigmoid', normalise: { eps: 1e-6 }, scale: 1.5 },
  },
  'biases and a gate within bounds': { ...SMALL_MIXTURE, used: 4, isGptOss: true },
  'a shared expert': { ...SMALL_MIXTURE, experts: 13, shared: true },
  'all experts': { ...SMALL_MIXTURE, experts: 3 },
};

/** A row's experts, and what a row is without them. */
function mixture(g: GraphBuilder, x: Value, shape: MixtureShape): Value {
  const { dim, ffnDim, experts, used, isGptOss, shared } = shape;
  const vector = (name: string, size: number, isThere = true) => (isThere ? g.weight(name, [size]) : undefined);
  const normed = rmsNorm(g, 'ffn_norm', x, { weight: g.weight('ffn_norm', [dim]), eps: 1e-6 });
  const logits = linear(g, 'router', normed, g.weight('router', [experts, dim]), vector('router.bias', experts, isGptOss === true));
  const [selectionBias, expertScale] = ['selection.bias', 'factors'].map((name) => vector(name, experts, shape.routeWeights === true));
  const routes = route(g, 'route', shape.logits?.(g, logits) ?? logits, { ...shape.routing, used, selectionBias, expertScale });
  const product = (name: string, input: Value, [out, cols]: readonly [number, number], each = false) => {
    const bias = isGptOss ? g.weight(`${name}.bias`, [experts, out]) : undefined;
    return expertLinear(g, name, [input, routes], { weight: g.weight(name, [experts, out, cols]), each, bias });
  };
  const gateAndUp = [product('gate', normed, [ffnDim, dim]), product('up', normed, [ffnDim, dim])] as const;
  const act = isGptOss
    ? clampedGate(g, 'act', { fn: 'quickGelu', clamp: { limit: 0.5, offset: 1 } }, gateAndUp)
    : gated(g, 'act', 'silu', gateAndUp);
  const sum = expertSum(g, 'sum', product('down', act, [dim, ffnDim], true), routes);
  return add(g, 'add', x, shared ? add(g, 'add_shared', sum, sharedExpert(g, normed)) : sum);
}

function sharedExpert(g: GraphBuilder, x: Value): Value {
  const dim = x.shape[1] as number;
  const by = activation(g, 'shared_by', 'sigmoid', linear(g, 'shared_router', x, g.weight('shared_router', [1, dim])));
  return scaleRows(g, 'shared', linear(g, 'shared_down', x, g.weight('shared_down', [dim, dim])), by);
}

/** What is between the embedding and the head, as a decoder. */
export function rowsDecoder(body: (g: GraphBuilder, x: Value) => Value, dim: number): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const embedded = embed(g, 'embed', tokens, g.weight('embedding', [50, dim]));
    // A state, so that rows are of sequences.
    const state = g.slotState({ shape: [2, dim], dtype: 'f32' });
    const x = body(g, shortConvolution(g, 'conv', embedded, { weight: g.weight('conv', [dim, 3]), state }));
    const last = rmsNorm(g, 'norm', gatherRows(g, 'last', x, outIndices), { weight: g.weight('norm', [dim]), eps: 1e-5 });
    g.output('logits', linear(g, 'output', last, g.weight('output', [50, dim])));
  });
}

export const mixtureGraph = (shape: MixtureShape): Graph => rowsDecoder((g, x) => mixture(g, x, shape), shape.dim);
