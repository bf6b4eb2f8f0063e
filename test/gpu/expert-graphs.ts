/** Small decoders with mixtures of experts, as families have them. */
import { buildGraph } from '../../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../../src/graph/graph-builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { activation, clampedGate, gated } from '../../src/graph/ops/activation.ts';
import type { ActivationName, GateClamp } from '../../src/graph/ops/activation.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { expertLinear } from '../../src/graph/ops/expert-linear.ts';
import { expertSum } from '../../src/graph/ops/expert-sum.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { route } from '../../src/graph/ops/route.ts';
import type { RouteFields } from '../../src/graph/ops/route.ts';
import { scale } from '../../src/graph/ops/scale.ts';
import { scaleRows } from '../../src/graph/ops/scale-rows.ts';
import type { Value } from '../../src/graph/value.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';

export interface ExpertShape {
  readonly dim: number;
  readonly experts: number;
  readonly used: number;
  /** Width of an expert. */
  readonly ffnDim: number;
  readonly layers: number;
  readonly route: Omit<RouteFields, 'used' | 'selectionBias' | 'expertScale'>;
  readonly selectionBias?: boolean;
  readonly expertScale?: boolean;
  readonly bias?: boolean;
  readonly fn?: ActivationName;
  readonly clamp?: GateClamp;
  /** Width of the expert that all rows go to, by a gate of their own. */
  readonly sharedDim?: number;
  /** The router and the experts read the values before their norm and after another. */
  readonly ownNorms?: boolean;
}

const SMALL = { dim: 64, experts: 8, used: 3, ffnDim: 96, layers: 1, route: { scores: 'softmax' } } as const satisfies ExpertShape;

const HEAD_DIM = 16;

/** By the family whose they are. */
export const EXPERT_SHAPES = {
  qwen3_moe: { ...SMALL, route: { scores: 'softmax', normalise: { eps: 0 } } },
  lfm2_moe: { ...SMALL, used: 2, selectionBias: true, route: { scores: 'sigmoid', normalise: { eps: 1e-6 }, scale: 1.5 } },
  gpt_oss: {
    ...SMALL, used: 4, bias: true, ffnDim: 64, fn: 'quickGelu', clamp: { limit: 0.25, offset: 1 },
    route: { scores: 'softmax', normalise: { eps: 0 } },
  },
  gemma4: { ...SMALL, expertScale: true, fn: 'geluTanh', ownNorms: true, route: { scores: 'softmax', normalise: { eps: 0 } } },
  qwen3_5_moe: { ...SMALL, sharedDim: 96, route: { scores: 'softmax', normalise: { eps: 0 } } },
} as const satisfies Readonly<Record<string, ExpertShape>>;


function block(g: GraphBuilder, x: Value, shape: ExpertShape): Value {
  const { dim, experts, used, ffnDim, fn = 'silu', clamp, sharedDim } = shape;
  const normOf = (name: string, value: Value) => rmsNorm(g, name, value, { weight: g.weight(g.path(name), [dim]), eps: 1e-6 });
  const normed = normOf('ffn_norm', x);
  const routerInput = shape.ownNorms ? rmsNorm(g, 'router_norm', x, { weight: g.weight(g.path('router_norm'), [dim]), eps: 1e-6 }) : normed;
  const vector = (name: string, isThere: boolean | undefined) => (isThere ? g.weight(g.path(name), [experts]) : undefined);
  const logits = linear(g, 'router', routerInput, g.weight(g.path('router'), [experts, dim]), vector('router.bias', shape.bias));
  const scaled = shape.ownNorms ? scale(g, 'logits', logits, dim ** -0.5) : logits;
  const routes = route(g, 'route', scaled, {
    ...shape.route, used, selectionBias: vector('selection.bias', shape.selectionBias), expertScale: vector('factors', shape.expertScale),
  });
  const product = (name: string, input: Value, [out, width]: readonly [number, number], each = false) =>
    expertLinear(g, name, [input, routes], {
      weight: g.weight(g.path(name), [experts, out, width]), each,
      bias: shape.bias ? g.weight(g.path(`${name}.bias`), [experts, out]) : undefined,
    });
  const gateAndUp = [product('gate', normed, [ffnDim, dim]), product('up', normed, [ffnDim, dim])] as const;
  const act = clamp ? clampedGate(g, 'act', { fn, clamp }, gateAndUp) : gated(g, 'act', fn, gateAndUp);
  const sum = expertSum(g, 'sum', product('down', act, [dim, ffnDim], true), routes);
  const all = sharedDim === undefined ? sum : add(g, 'add_shared', sum, sharedExpert(g, normed, sharedDim));
  return add(g, 'add_ffn', x, shape.ownNorms ? normOf('post_norm', all) : all);
}

function sharedExpert(g: GraphBuilder, x: Value, width: number): Value {
  const dim = x.shape[1] as number;
  const matrix = (name: string, input: Value, out: number) =>
    linear(g, name, input, g.weight(g.path(name), [out, input.shape[1] as number]));
  const act = gated(g, 'shared_act', 'silu', [matrix('shared_gate', x, width), matrix('shared_up', x, width)]);
  const by = activation(g, 'shared_by', 'sigmoid', matrix('shared_router', x, 1));
  return scaleRows(g, 'shared', matrix('shared_down', act, dim), by);
}

export function expertGraph(shape: ExpertShape): Graph {
  const { dim, layers } = shape;
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    let x = embed(g, 'embed', tokens, g.weight('embedding', [50, dim]));
    for (let n = 0; n < layers; n++) {
      x = g.scope(`layers.${n}`, () => {
        const normed = rmsNorm(g, 'attn_norm', x, { weight: g.weight(g.path('attn_norm'), [dim]), eps: 1e-6 });
        const matrix = (name: string, input: Value) => linear(g, name, input, g.weight(g.path(name), [dim, dim]));
        const heads = dim / HEAD_DIM;
        const state = g.pagedState({ heads, keyDim: HEAD_DIM, valueDim: HEAD_DIM });
        const qkv = [matrix('q', normed), matrix('k', normed), matrix('v', normed)] as const;
        const mixed = attention(g, 'attend', qkv, { positions, heads, scale: HEAD_DIM ** -0.5, state });
        const h = add(g, 'add_attn', x, matrix('o', mixed));
        return block(g, h, shape);
      });
    }
    const last = rmsNorm(g, 'norm', gatherRows(g, 'last', x, outIndices), { weight: g.weight('norm', [dim]), eps: 1e-5 });
    g.output('logits', linear(g, 'output', last, g.weight('output', [50, dim])));
  });
}

/** Types of weights as files have them: routers, biases and convolutions are of floats. */
export function expertTypes(type: WeightType): (id: string) => WeightType {
  return (id) => (/^conv|(router|bias|factors|norm)$/.test(id) ? 'f32' : type);
}

export const EXPERT_GRAPHS: ReadonlyMap<string, Graph> = new Map(
  Object.entries(EXPERT_SHAPES).map(([name, shape]) => [name, expertGraph(shape)]),
);
