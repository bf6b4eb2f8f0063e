/**
 * What Kokoro's parts are made of (StyleTTS 2, Li et al. 2023; iSTFTNet, Kaneko et al. 2022): convolutions with weight norm, norms whose
 * gain and shift are made of a style, memories that run both ways. Values are [rows, channels]. A weight is told where it is used.
 */
import { conv1d, transposedConv1d } from '../../graph/conv1d.ts';
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import { activation } from '../../graph/ops/activation.ts';
import type { ActivationName } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { channelConvolution } from '../../graph/ops/channel-convolution.ts';
import { gatherRows } from '../../graph/ops/gather-rows.ts';
import { styledInstanceNorm } from '../../graph/ops/group-norm.ts';
import { joinColumns } from '../../graph/ops/join-columns.ts';
import { linear } from '../../graph/ops/linear.ts';
import { lstm } from '../../graph/ops/lstm.ts';
import { overlapAdd } from '../../graph/ops/overlap-add.ts';
import { scale } from '../../graph/ops/scale.ts';
import { snake } from '../../graph/ops/snake.ts';
import { widthOf } from '../../graph/value.ts';
import type { Dim, Value, WeightRef } from '../../graph/value.ts';
import { added, plus, reshape, slice, stack, tensor, transpose, weightNorm } from '../weight-expression.ts';
import type { WeightExpression } from '../weight-expression.ts';
import type { WeightSpec } from '../weight-spec.ts';

const NORM_EPS = 1e-5;

/** A graph, and what of its weights is in the file. */
export interface Writing {
  readonly g: GraphBuilder;
  readonly specs: Map<string, WeightSpec>;
}

/** A weight of what a file's tensors are. */
export function weightOf({ g, specs }: Writing, id: string, shape: readonly number[], of: WeightExpression): WeightRef {
  specs.set(id, { id, shape, gguf: of, safetensors: of });
  return g.weight(id, shape);
}

/** A tensor as it is. */
export function own(to: Writing, name: string, shape: readonly number[]): WeightRef {
  return weightOf(to, name, shape, tensor(name, shape));
}

/** A product with a matrix, and its bias. */
export function dense(to: Writing, name: string, x: Value, out: number): Value {
  return linear(to.g, name, x, own(to, `${name}.weight`, [out, widthOf(x)]), own(to, `${name}.bias`, [out]));
}

/** What a file with weight norm means by a convolution's weights, whose length is stored apart. */
function normed(name: string, shape: readonly number[]): WeightExpression {
  return weightNorm(tensor(`${name}.weight_v`, shape), tensor(`${name}.weight_g`, [shape[0] as number, 1, 1]));
}

export interface ConvolutionShape {
  readonly out: number;
  readonly taps: number;
  readonly stride?: number | undefined;
  readonly dilation?: number | undefined;
  readonly before?: number | undefined;
  /** The dim of the result's rows. Default: x's. */
  readonly frames?: Dim | undefined;
  /** Default: there is one. */
  readonly bias?: boolean | undefined;
  /** Whether the file has the weights' length apart. Default true. */
  readonly isNormed?: boolean | undefined;
}

export function convolution(to: Writing, name: string, x: Value, shape: ConvolutionShape): Value {
  const { out, taps, bias: hasBias = true, isNormed = true, frames = x.shape[0] as Dim, ...span } = shape;
  const stored = [out, widthOf(x), taps];
  const of = isNormed ? normed(name, stored) : tensor(`${name}.weight`, stored);
  const flat = [out, taps * widthOf(x)];
  const weight = weightOf(to, `${name}.weight`, flat, reshape(taps === 1 ? of : transpose(of), flat));
  const bias = hasBias ? own(to, `${name}.bias`, [out]) : undefined;
  if (taps === 1) return linear(to.g, name, x, weight, bias);
  return conv1d(to.g, name, x, { taps, frames, weight, bias, ...span });
}

/** A transposed convolution that makes `rate` rows of each. */
export function upsampled(
  to: Writing, name: string, x: Value, { out, taps, rate, frames }: { out: number; taps: number; rate: number; frames: Dim },
): Value {
  const channels = widthOf(x);
  const tapsFirst = reshape(transpose(normed(name, [channels, out, taps])), [channels, taps * out]);
  const weight = weightOf(to, `${name}.weight`, [taps * out, channels], transpose(tapsFirst));
  const bias = own(to, `${name}.bias`, [out]);
  return transposedConv1d(to.g, name, x, { taps, stride: rate, before: (taps - rate) / 2, frames, weight, bias });
}

/**
 * A transposed convolution of every channel, three taps at a stride of 2: rows with zeros between them, through the taps backwards.
 * @param frames the dim of twice as many rows
 */
function doubled(to: Writing, name: string, x: Value, frames: Dim): Value {
  const channels = widthOf(x);
  const taps = transpose(reshape(normed(name, [channels, 1, 3]), [channels, 3]));
  const backwards = transpose(stack([2, 1, 0].map((tap) => slice(taps, tap, tap + 1))));
  const weight = weightOf(to, `${name}.weight`, [channels, 3], backwards);
  const apart = overlapAdd(to.g, `${name}.apart`, x, { taps: 1, stride: 2, frames });
  return channelConvolution(to.g, name, apart, { taps: 3, before: 1, frames, weight, bias: own(to, `${name}.bias`, [channels]) });
}

/** Of a style [1, style]: a gain and a shift for each channel, [1, 2 * channels]; the file's gains lack 1. */
export function styled(to: Writing, name: string, style: Value, channels: number): Value {
  const stored = tensor(`${name}.fc.bias`, [2 * channels]);
  const bias = stack([plus(slice(stored, 0, channels), 1), plus(slice(stored, channels, 2 * channels), 0)]);
  const weight = own(to, `${name}.fc.weight`, [2 * channels, widthOf(style)]);
  return linear(to.g, `${name}.fc`, style, weight, weightOf(to, `${name}.fc.bias`, [2 * channels], bias));
}

/** Instance norm whose gain and shift come of a style (Huang and Belongie 2017). */
function styledNorm(to: Writing, name: string, x: Value, style: Value): Value {
  return styledInstanceNorm(to.g, name, [x, styled(to, name, style, widthOf(x))], NORM_EPS);
}

export interface Doubling {
  /** The dim of twice as many rows. */
  readonly frames: Dim;
  /** [frames], i32: every row of x twice. */
  readonly rows: Value;
}

/** AdainResBlk1d: two convolutions behind norms, beside x; with `doubling` the rows are doubled on the way. */
export function styledBlock(
  to: Writing, name: string, x: Value, { out, style, doubling }: { out: number; style: Value; doubling?: Doubling | undefined },
): Value {
  const { g } = to;
  const leaky = (label: string, of: Value) => activation(g, `${name}.${label}`, 'leakyFifth', of);
  const first = leaky('act1', styledNorm(to, `${name}.norm1`, x, style));
  const wide = doubling === undefined ? first : doubled(to, `${name}.pool`, first, doubling.frames);
  const between = convolution(to, `${name}.conv1`, wide, { out, taps: 3, before: 1 });
  const made =
    convolution(to, `${name}.conv2`, leaky('act2', styledNorm(to, `${name}.norm2`, between, style)), { out, taps: 3, before: 1 });
  const same = doubling === undefined ? x : gatherRows(g, `${name}.twice`, x, doubling.rows);
  const beside = out === widthOf(x) ? same : convolution(to, `${name}.conv1x1`, same, { out, taps: 1, bias: false });
  return scale(g, `${name}.half`, add(g, `${name}.sum`, made, beside), Math.SQRT1_2);
}

/** AdaINResBlock1: pairs of convolutions, the first with holes, each behind a norm and a snake, beside x. */
export function snakeBlock(
  to: Writing, name: string, x: Value, { taps, dilations, style }: { taps: number; dilations: readonly number[]; style: Value },
): Value {
  const { g } = to;
  const out = widthOf(x);
  const half = (label: string, of: Value, { n, dilation }: { n: number; dilation: number }): Value => {
    const alpha = `${name}.alpha${label}.${n}`;
    const normalised = styledNorm(to, `${name}.adain${label}.${n}`, of, style);
    const curved = snake(g, alpha, normalised, weightOf(to, alpha, [out], reshape(tensor(alpha, [1, out, 1]), [out])));
    return convolution(to, `${name}.convs${label}.${n}`, curved, { out, taps, dilation, before: (dilation * (taps - 1)) / 2 });
  };
  return dilations.reduce((sumSoFar, dilation, n) => {
    const between = half('1', sumSoFar, { n, dilation });
    return add(g, `${name}.sum.${n}`, sumSoFar, half('2', between, { n, dilation: 1 }));
  }, x);
}

/** What a style adds to every row, and where. */
export interface RowStyle {
  /** [1, style]. */
  readonly style: Value;
  /** [rows], i32, zeros: the style's row for each. */
  readonly first: Value;
}

/** A long short-term memory in both directions, [rows, hidden]: half of the result's columns each. Beside x it may read a style. */
export function bothWays(
  to: Writing, name: string, x: Value, { hidden, styles }: { hidden: number; styles?: RowStyle | undefined },
): Value {
  const { g } = to;
  const size = hidden / 2;
  const width = widthOf(x);
  const inputs = width + (styles === undefined ? 0 : widthOf(styles.style));
  const direction = (suffix: '' | '_reverse'): Value => {
    const stored = tensor(`${name}.weight_ih_l0${suffix}`, [4 * size, inputs]);
    const columns = (from: number, end: number) => transpose(slice(transpose(stored), from, end));
    const bias = added(['ih', 'hh'].map((part) => tensor(`${name}.bias_${part}_l0${suffix}`, [4 * size])));
    const weight = weightOf(to, `${name}.input${suffix}`, [4 * size, width], styles === undefined ? stored : columns(0, width));
    let gates = linear(g, `${name}.input${suffix}`, x, weight, weightOf(to, `${name}.bias${suffix}`, [4 * size], bias));
    if (styles !== undefined) {
      const ofStyle = weightOf(to, `${name}.style${suffix}`, [4 * size, inputs - width], columns(width, inputs));
      const ofStyles = linear(g, `${name}.style${suffix}`, styles.style, ofStyle);
      gates = add(g, `${name}.gates${suffix}`, gates, gatherRows(g, `${name}.styles${suffix}`, ofStyles, styles.first));
    }
    const again = own(to, `${name}.weight_hh_l0${suffix}`, [4 * size, size]);
    return lstm(g, `${name}${suffix}`, gates, { weight: again, reverse: suffix !== '' });
  };
  return joinColumns(g, `${name}.both`, direction(''), direction('_reverse'));
}

export function act(to: Writing, name: string, fn: ActivationName, x: Value): Value {
  return activation(to.g, name, fn, x);
}
