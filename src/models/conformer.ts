/**
 * The encoder of conformers as NVIDIA's NeMo has it (Gulati et al. 2020; Rekesh et al. 2023, "Fast Conformer"): a part that families of
 * speech share. Convolutions over frames and bins halve both axes; each layer is half a feed forward, attention by content and distance,
 * a convolution over time, and the other half. The batch norm after that convolution is a part of its weights. All frames are one sound.
 */
import { conv1d } from '../graph/conv1d.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { activation, gated } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { planeConvolution } from '../graph/ops/plane-convolution.ts';
import { distancesOf, relativeAttention } from '../graph/ops/relative-attention.ts';
import { scale } from '../graph/ops/scale.ts';
import { outputFrames, windows } from '../graph/ops/windows.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import { product } from './decoder-graph.ts';
import { added, apply, plus, reshape, slice, tensor, timesRows, transpose } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

export interface ConformerConfig {
  /** Of a frame of features. */
  readonly bins: number;
  /** Planes of the convolutions that halve the frames, and how many of those there are. */
  readonly planes: number;
  readonly halvings: number;
  readonly dim: number;
  readonly heads: number;
  readonly ffnDim: number;
  readonly layers: number;
  /** Of the convolution over time: an odd number. */
  readonly taps: number;
  /** What the halved frames are multiplied by before the first layer. */
  readonly inputScale: number;
  /** Whether products with matrices, and convolutions over time, have biases. */
  readonly biases: { readonly products: boolean; readonly convolutions: boolean };
}

/** What a folder calls the parts; a name is followed by `.weight` and `.bias` where the part has both. */
export interface ConformerNames {
  /** Of convolution `n` of those that halve, counted with what lies between them. */
  halving(n: number): string;
  /** The product of the halved frames. */
  readonly joined: string;
  layer(n: number): string;
  readonly attention: Readonly<Record<'q' | 'k' | 'v' | 'o' | 'distance' | 'contentBias' | 'positionBias', string>>;
  /** Of the norm in the convolution over time. */
  readonly batchNorm: string;
}

/** As transformers has them, behind `prefix`. */
export function transformersNames(prefix: string): ConformerNames {
  return {
    halving: (n) => `${prefix}subsampling.layers.${n}`,
    joined: `${prefix}subsampling.linear`,
    layer: (n) => `${prefix}layers.${n}`,
    attention: {
      q: 'q_proj', k: 'k_proj', v: 'v_proj', o: 'o_proj', distance: 'relative_k_proj', contentBias: 'bias_u', positionBias: 'bias_v',
    },
    batchNorm: 'norm',
  };
}

/** As NeMo has them, behind `prefix`. */
export function nemoNames(prefix: string): ConformerNames {
  return {
    halving: (n) => `${prefix}pre_encode.conv.${n}`,
    joined: `${prefix}pre_encode.out`,
    layer: (n) => `${prefix}layers.${n}`,
    attention: {
      q: 'linear_q', k: 'linear_k', v: 'linear_v', o: 'linear_out', distance: 'linear_pos', contentBias: 'pos_bias_u',
      positionBias: 'pos_bias_v',
    },
    batchNorm: 'batch_norm',
  };
}

const NORM_EPS = 1e-5;
/** Of the convolutions that halve: three taps and a zero on each side. */
const HALVING = { taps: 3, stride: 2, before: 1 } as const;
const halved = (size: number) => outputFrames(size, { ...HALVING, after: HALVING.before });

/** Bins before each convolution that halves, and after the last. */
function binsOf({ bins, halvings }: ConformerConfig): readonly number[] {
  const sizes = [bins];
  for (let i = 0; i < halvings; i++) sizes.push(halved(sizes[i] as number));
  return sizes;
}

/** Frames that the encoder makes of so many frames of features. */
export function encodedFrames({ halvings }: Pick<ConformerConfig, 'halvings'>, frames: number): number {
  let left = frames;
  for (let i = 0; i < halvings; i++) left = halved(left);
  return left;
}

/** Numbers of the convolutions that halve, among what lies between them: the first is one, each other a depthwise and a pointwise one. */
const depthwiseAt = (i: number) => (i === 0 ? 0 : 3 * i - 1);

// Weights.

/** Of a folder as `stored` says, and of a GGUF file as they are, by their ids. */
function own(id: string, shape: readonly number[], stored: WeightExpression): WeightSpec {
  return { id, shape, gguf: tensor(id, shape), safetensors: stored };
}

interface Part {
  readonly id: string;
  readonly name: string;
}

/** A matrix [out, from], kept under `shape`, and its bias. */
function matrix({ id, name }: Part, [out, from]: readonly [number, number], { bias, taps = [] }: Stored): readonly WeightSpec[] {
  const stored = tensor(`${name}.weight`, [out, from, ...taps]);
  return [
    own(id, [out, from], taps.length === 0 ? stored : reshape(stored, [out, from])),
    ...(bias ? [own(`${id}.bias`, [out], tensor(`${name}.bias`, [out]))] : []),
  ];
}

interface Stored {
  readonly bias: boolean;
  /** Dimensions behind the matrix's two, all 1. */
  readonly taps?: readonly number[] | undefined;
}

function norm({ id, name }: Part, dim: number): readonly WeightSpec[] {
  return [own(id, [dim], tensor(`${name}.weight`, [dim])), own(`${id}.bias`, [dim], tensor(`${name}.bias`, [dim]))];
}

function halvingWeights(config: ConformerConfig, id: string, names: ConformerNames): readonly WeightSpec[] {
  const { planes, halvings, dim } = config;
  const { taps } = HALVING;
  const bins = binsOf(config)[halvings] as number;
  const halvingPart = (i: number) => `${id}.halving.${i}`;
  const mix = (i: number) => ({ id: `${halvingPart(i)}.mix`, name: names.halving(depthwiseAt(i) + 1) });
  const convolutions = Array.from({ length: halvings }, (_, i) => {
    const part = halvingPart(i);
    const name = names.halving(depthwiseAt(i));
    const flat = reshape(tensor(`${name}.weight`, [planes, 1, taps, taps]), [planes, taps * taps]);
    return [
      own(part, [taps * taps, planes], transpose(flat)),
      own(`${part}.bias`, [planes], tensor(`${name}.bias`, [planes])),
      ...(i === 0 ? [] : matrix(mix(i), [planes, planes], { bias: true, taps: [1, 1] })),
    ];
  });
  // The planes of a bin lie together in the graph, the bins of a plane in the file.
  const joined = transpose(reshape(tensor(`${names.joined}.weight`, [dim, planes * bins]), [dim, planes, bins]));
  return [
    ...convolutions.flat(),
    own(`${id}.joined`, [dim, planes * bins], reshape(joined, [dim, planes * bins])),
    own(`${id}.joined.bias`, [dim], tensor(`${names.joined}.bias`, [dim])),
  ];
}

/** The convolution over time, with the norm of batches behind it: (x - mean) / sqrt(variance + eps) * gain + bias, all of them fixed. */
function timeConvolution({ dim, taps, biases }: ConformerConfig, { id, name }: Part, batchNorm: string): readonly WeightSpec[] {
  const vector = (part: string) => tensor(`${name}.${batchNorm}.${part}`, [dim]);
  const factor = timesRows(vector('weight'), apply(plus(vector('running_var'), NORM_EPS), 'inverseRoot'));
  const depthwise = reshape(tensor(`${name}.depthwise_conv.weight`, [dim, 1, taps]), [dim, taps]);
  const less = apply(vector('running_mean'), 'minus');
  const shift = biases.convolutions ? added([tensor(`${name}.depthwise_conv.bias`, [dim]), less]) : less;
  return [
    own(`${id}.time`, [dim, taps], timesRows(depthwise, factor)),
    own(`${id}.time.bias`, [dim], added([vector('bias'), timesRows(shift, factor)])),
  ];
}

function layerWeights(config: ConformerConfig, { id, name }: Part, names: ConformerNames): readonly WeightSpec[] {
  const { dim, heads, ffnDim, biases: { products, convolutions } } = config;
  const { attention, batchNorm } = names;
  const half = (n: 1 | 2) => [
    ...norm({ id: `${id}.norm${n}`, name: `${name}.norm_feed_forward${n}` }, dim),
    ...matrix({ id: `${id}.ffn${n}.up`, name: `${name}.feed_forward${n}.linear1` }, [ffnDim, dim], { bias: products }),
    ...matrix({ id: `${id}.ffn${n}.down`, name: `${name}.feed_forward${n}.linear2` }, [dim, ffnDim], { bias: products }),
  ];
  const ofAttention = (part: keyof typeof attention) => ({ id: `${id}.attn.${part}`, name: `${name}.self_attn.${attention[part]}` });
  // Both halves of the first pointwise convolution: what is gated, then the gate.
  const halves = (['up', 'gate'] as const).flatMap((part, i): readonly WeightSpec[] => {
    const rows = (of: WeightExpression) => slice(of, i * dim, (i + 1) * dim);
    const stored = `${name}.conv.pointwise_conv1`;
    return [
      own(`${id}.conv.${part}`, [dim, dim], rows(reshape(tensor(`${stored}.weight`, [2 * dim, dim, 1]), [2 * dim, dim]))),
      ...(convolutions ? [own(`${id}.conv.${part}.bias`, [dim], rows(tensor(`${stored}.bias`, [2 * dim])))] : []),
    ];
  });
  return [
    ...half(1),
    ...norm({ id: `${id}.attn_norm`, name: `${name}.norm_self_att` }, dim),
    ...(['q', 'k', 'v', 'o'] as const).flatMap((part) => matrix(ofAttention(part), [dim, dim], { bias: products })),
    ...matrix(ofAttention('distance'), [dim, dim], { bias: false }),
    ...(['contentBias', 'positionBias'] as const).map((part) => {
      const { id: biasId, name: stored } = ofAttention(part);
      return own(biasId, [heads, dim / heads], tensor(stored, [heads, dim / heads]));
    }),
    ...norm({ id: `${id}.conv_norm`, name: `${name}.norm_conv` }, dim),
    ...halves,
    ...timeConvolution(config, { id: `${id}.conv`, name: `${name}.conv` }, batchNorm),
    ...matrix({ id: `${id}.conv.down`, name: `${name}.conv.pointwise_conv2` }, [dim, dim], { bias: convolutions, taps: [1] }),
    ...half(2),
    ...norm({ id: `${id}.norm`, name: `${name}.norm_out` }, dim),
  ];
}

/** All weights of the encoder, with ids behind `id`: the scope in which {@link conformer} writes it. */
export function conformerWeights(config: ConformerConfig, id: string, names: ConformerNames): readonly WeightSpec[] {
  const layer = (n: number) => layerWeights(config, { id: `${id}.layers.${n}`, name: names.layer(n) }, names);
  return [...halvingWeights(config, id, names), ...Array.from({ length: config.layers }, (_, n) => layer(n)).flat()];
}

/** What a folder holds beside the weights, behind `prefix`. */
export const CONFORMER_SKIPS = [
  { pattern: /\.num_batches_tracked$/, reason: 'a count of training' },
] as const;

// Layers. Values are [cells, planes], then [frames, dim].

/** Inputs and dims. A run gives `cells`, frames of features times bins; the frames that are made, and distances, follow. */
export const CONFORMER = { features: 'features', cells: 'cells', distances: 'distances', frames: 'frames' } as const;

/** The inputs of a run: the features [frames, bins] of one sound, as they are, and its distances. */
export function conformerInputs(config: ConformerConfig, features: ArrayLike<number>): {
  readonly dims: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>;
} {
  const frames = encodedFrames(config, features.length / config.bins);
  return {
    dims: { [CONFORMER.cells]: features.length },
    inputs: { [CONFORMER.features]: features, [CONFORMER.distances]: distanceTable(frames, config.dim) },
  };
}

/**
 * Sines and cosines of every distance between `frames` frames, in turn, [2 * frames - 1, dim]: from the farthest that a frame is behind
 * another to the farthest ahead. Vaswani et al. 2017, of distances.
 */
export function distanceTable(frames: number, dim: number): Float32Array {
  const table = new Float32Array(distancesOf(frames) * dim);
  for (let i = 0; i < distancesOf(frames); i++) {
    const distance = frames - 1 - i;
    for (let c = 0; c < dim; c++) {
      const angle = distance * 10_000 ** (-(c - (c % 2)) / dim);
      table[i * dim + c] = c % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return table;
}

function layerNormOf(g: GraphBuilder, name: string, x: Value): Value {
  const width = widthOf(x);
  return layerNorm(g, name, x, { weight: g.weight(g.path(name), [width]), bias: g.weight(g.path(`${name}.bias`), [width]), eps: NORM_EPS });
}

/** Cells after each convolution, and the frames of the last side by side -> [frames, dim]. */
function halvedFrames(g: GraphBuilder, config: ConformerConfig, features: Value): Value {
  const { planes, halvings, dim, inputScale } = config;
  const bins = binsOf(config);
  let x = features;
  for (let i = 0; i < halvings; i++) {
    const [from, to] = [bins[i] as number, bins[i + 1] as number];
    const before = i === 0 ? CONFORMER.cells : `cells${i}`;
    const cells = g.derivedDim(`cells${i + 1}`, (sizes) => halved((sizes[before] as number) / from) * to);
    const [id, { taps }] = [`halving.${i}`, HALVING];
    const weights = { weight: g.weight(g.path(id), [taps * taps, planes]), bias: g.weight(g.path(`${id}.bias`), [planes]) };
    x = planeConvolution(g, id, x, { ...HALVING, bins: from, outBins: to, cells, ...weights });
    if (i > 0) x = product(g, `${id}.mix`, x, { out: planes, biases: [`${id}.mix`] });
    x = activation(g, `${id}.act`, 'relu', x);
  }
  const last = bins[halvings] as number;
  const frames = g.derivedDim(CONFORMER.frames, (sizes) => (sizes[`cells${halvings}`] as number) / last);
  const joined = product(g, 'joined', windows(g, 'bins', x, { taps: last, stride: last, frames }), { out: dim, biases: ['joined'] });
  const scaled = inputScale === 1 ? joined : scale(g, 'scaled', joined, inputScale);
  g.tap('subsampled', joined);
  return scaled;
}

interface LayerParts {
  readonly config: ConformerConfig;
  readonly distances: Value;
}

function feedForward(g: GraphBuilder, { ffnDim, dim, biases }: ConformerConfig, x: Value, n: 1 | 2): Value {
  const normed = layerNormOf(g, `norm${n}`, x);
  const named = biases.products ? ['up', 'down'] : [];
  const made = g.scope(`ffn${n}`, () => {
    const up = activation(g, 'act', 'silu', product(g, 'up', normed, { out: ffnDim, biases: named }));
    return scale(g, 'half', product(g, 'down', up, { out: dim, biases: named }), 0.5);
  });
  return add(g, `ffn${n}.residual`, x, made);
}

function attend(g: GraphBuilder, { config: { dim, heads, biases }, distances }: LayerParts, x: Value): Value {
  const normed = layerNormOf(g, 'attn_norm', x);
  const named = biases.products ? ['q', 'k', 'v', 'o'] : [];
  const headDim = dim / heads;
  const made = g.scope('attn', () => {
    const part = (name: string, of: Value) => product(g, name, of, { out: dim, biases: named });
    const [q, k, v, p] = [part('q', normed), part('k', normed), part('v', normed), part('distance', distances)];
    const bias = (name: string) => g.weight(g.path(name), [heads, headDim]);
    const biasesOf = { contentBias: bias('contentBias'), positionBias: bias('positionBias') };
    const fields = { heads, headDim, scale: headDim ** -0.5, ...biasesOf };
    return product(g, 'o', relativeAttention(g, 'attend', [q, k, v, p], fields), { out: dim, biases: named });
  });
  return add(g, 'attn.residual', x, made);
}

function convolve(g: GraphBuilder, { dim, taps, biases }: ConformerConfig, x: Value): Value {
  const normed = layerNormOf(g, 'conv_norm', x);
  const named = biases.convolutions ? ['up', 'gate', 'down'] : [];
  const made = g.scope('conv', () => {
    const [gate, up] = (['gate', 'up'] as const).map((part) => product(g, part, normed, { out: dim, biases: named })) as [Value, Value];
    const weights = { weight: g.weight(g.path('time'), [dim, taps]), bias: g.weight(g.path('time.bias'), [dim]) };
    const span = { taps, before: (taps - 1) / 2, frames: CONFORMER.frames, groups: dim };
    const over = conv1d(g, 'time', gated(g, 'glu', 'sigmoid', [gate, up]), { ...span, ...weights });
    return product(g, 'down', activation(g, 'act', 'silu', over), { out: dim, biases: named });
  });
  return add(g, 'conv.residual', x, made);
}

/** Features of one sound -> [frames, dim]; writes the inputs, and taps `subsampled` and `hidden.N`. In the scope of the weights' ids. */
export function conformer(g: GraphBuilder, config: ConformerConfig): Value {
  const features = g.input(CONFORMER.features, 'f32', [CONFORMER.cells, 1]);
  let x = halvedFrames(g, config, features);
  const dim = g.derivedDim(CONFORMER.distances, (sizes) => distancesOf(sizes[CONFORMER.frames] as number));
  const distances = g.input(CONFORMER.distances, 'f32', [dim, config.dim]);
  for (let n = 0; n < config.layers; n++) {
    x = g.scope(`layers.${n}`, () => {
      const half = feedForward(g, config, x, 1);
      const convolved = convolve(g, config, attend(g, { config, distances }, half));
      return layerNormOf(g, 'norm', feedForward(g, config, convolved, 2));
    });
    g.tap(`hidden.${n + 1}`, x);
  }
  return x;
}
