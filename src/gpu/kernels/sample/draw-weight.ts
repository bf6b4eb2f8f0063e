/**
 * A token's distance from the largest logit and its weight, exp(-distance / temperature), in WGSL.
 *
 * Distances are not negative, so that their bits as unsigned integers lie in the same order. Weights are 64-bit fixed point with
 * {@link WEIGHT_BITS} bits after the point, the best token's being 1: below 2^-44 a weight is 0. They are computed with a
 * relative error of about 1.5e-7 by operations that leave little to a device, not by its own exp, and add up without further error.
 */
import { kernelHeader } from '../../kernel.ts';
import type { Binding } from '../../kernel.ts';
import { DISTANCE_BINS, DISTANCE_SHIFT, SAMPLING_STRUCT, WEIGHT_BITS } from '../../sampling/sampling-record.ts';
import { MULTIPLY_WIDE, WIDE_INTEGER } from '../../wgsl/wide-integer.ts';

/** Of (2^-x - 1) / x on [0, 1], lowest power first: a Chebyshev fit, off by 4e-8 at most. */
const POWER = [
  -0.6931471824645996, 0.24022608995437622, -0.05549927428364754, 0.009597163647413254, -0.0012917822459712625, 0.0001149776580859907,
];

const POLYNOMIAL = POWER.reduceRight((text, coefficient) => (text === '' ? `${coefficient}` : `fma(${text}, part, ${coefficient})`), '');

/** One in fixed point before the weight is shifted to its place. */
const MANTISSA_BITS = 30;
const PLACE = WEIGHT_BITS - MANTISSA_BITS;

/** Distance bits of a token that weighs nothing; also `no bin`. */
export const NOTHING = '0xffffffffu';

/** Distances of a bin: [binStart(bin), binStart(bin + 1)), the first from 0 and the last to the reach. */
const BINS = `fn binOf(distance: u32) -> u32 {
  return u32(clamp(i32(distance >> ${DISTANCE_SHIFT}u) - i32(sampling.topStep) + ${DISTANCE_BINS - 1}, 0, ${DISTANCE_BINS - 1}));
}
fn binStart(sampling: Sampling, bin: u32) -> u32 {
  if (bin == 0u) { return 0u; }
  if (bin >= ${DISTANCE_BINS}u) { return bitcast<u32>(sampling.reach) + 1u; }
  return u32(max(i32(bin) + i32(sampling.topStep) - ${DISTANCE_BINS - 1}, 0)) << ${DISTANCE_SHIFT}u;
}
`;

const DISTANCE = `fn logitOfKey(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
fn distanceOf(logit: u32, largest: f32) -> u32 {
  if ((logit & 0x7f800000u) == 0x7f800000u) { return ${NOTHING}; }
  let distance = largest - bitcast<f32>(logit);
  if (distance <= sampling.reach) { return bitcast<u32>(distance); }
  return ${NOTHING};
}
`;

const WEIGHT = `fn weightOf(distanceBits: u32) -> vec2<u32> {
  let distance = bitcast<f32>(distanceBits);
  let whole = floor(distance * sampling.bitsPerLogit.x);
  let part = fma(distance, sampling.bitsPerLogit.x, -whole) + distance * sampling.bitsPerLogit.y;
  let mantissa = u32(${2 ** MANTISSA_BITS} + i32(part * (${POLYNOMIAL}) * ${2 ** MANTISSA_BITS}.0));
  let places = u32(whole);
  if (places > ${PLACE}u) { return vec2<u32>(mantissa >> min(places - ${PLACE}u, 31u), 0u); }
  let left = ${PLACE}u - places;
  return vec2<u32>(mantissa << left, (mantissa >> 1u) >> (31u - left));
}
`;

/**
 * What the texts of the full sampler's kernels begin with. `sampling` is the record of the row's sequence, which `main` sets; functions
 * whose result decides about barriers take it as an argument, since a compiler does not know that all invocations have the same.
 */
export function weighingHeader(bindings: readonly Binding[]): string {
  return `${kernelHeader(bindings, {})}
${SAMPLING_STRUCT}var<private> sampling: Sampling;
${MULTIPLY_WIDE}${WIDE_INTEGER}${DISTANCE}${WEIGHT}${BINS}`;
}

/**
 * `largestKey(row, lane)`: the largest key of the first stage's partials of a row, known to all invocations afterwards. For `workgroups`
 * partials a row.
 */
export function largestKeyFunction(workgroups: number): string {
  return `var<workgroup> bestKey: atomic<u32>;
fn largestKey(row: u32, lane: u32) -> u32 {
  if (lane == 0u) { atomicStore(&bestKey, 0u); }
  workgroupBarrier();
  if (lane < ${workgroups}u) { atomicMax(&bestKey, partials[row * ${workgroups}u + lane].x); }
  workgroupBarrier();
  return atomicLoad(&bestKey);
}
`;
}
