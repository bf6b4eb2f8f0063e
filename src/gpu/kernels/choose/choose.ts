/** One index of each row by its logits (graph/ops/choose.ts says how). A workgroup takes a row. */
import { CHOICE_SETTINGS } from '../../../graph/ops/choose.ts';
import { kernelHeader, kernelKey, linearWorkgroups, LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';

/** Bindings `x`: f32 [rows, width]; `settings`: f32 [rows, 3]; `before`: i32 [rows], where there is an end; `y`: i32 [rows]. */
export interface ChooseVariant {
  readonly width: number;
  readonly end: number | undefined;
  /** A power of two from 16 on. */
  readonly invocations: number;
}

/** Bits of a digit, by which the k-th greatest is found. */
const DIGIT = 8;
const DIGITS = 2 ** DIGIT;

/** NaN is the least of numbers; the bits of floats in an order that is that of the floats. */
const VALUES = `const LEAST = -3.4028234e38;
fn valueAt(at: u32) -> f32 {
  let bits = bitcast<u32>(x[at]);
  return select(max(x[at], LEAST), LEAST, (bits & 0x7fffffffu) > 0x7f800000u);
}
fn orderOf(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}
`;

/** The index of a row's greatest value, of equal ones the first; every lane gets it. */
function greatestFunction({ width, invocations }: ChooseVariant): string {
  return `fn greatest(base: u32, lane: u32) -> u32 {
  var most = LEAST;
  var best = ${width}u;
${laneLoop(width, invocations, `    let value = valueAt(base + k);
    if (value > most || best == ${width}u) { most = value; best = k; }`)}
  tops[lane] = most;
  places[lane] = best;
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = places[lane + half];
      let isLess = tops[lane + half] < tops[lane] || (tops[lane + half] == tops[lane] && other > places[lane]);
      if (other < ${width}u && (places[lane] == ${width}u || !isLess)) {
        tops[lane] = tops[lane + half];
        places[lane] = other;
      }
    }
  }
  workgroupBarrier();
  return places[0];
}
`;
}

/** The order of a row's k-th greatest value, a digit at a time: how many values of the digits so far have each next digit. */
function leastKeptFunction({ width, invocations }: ChooseVariant): string {
  return `fn leastKept(base: u32, lane: u32, k0: u32) -> u32 {
  if (lane == 0u) { kept = 0u; left = k0; }
  for (var shift = ${32 - DIGIT}u; shift < 32u; shift -= ${DIGIT}u) {
    for (var i = lane; i < ${DIGITS}u; i += ${invocations}u) { atomicStore(&counts[i], 0u); }
    workgroupBarrier();
    let above = kept;
${laneLoop(width, invocations, `    let order = orderOf(valueAt(base + k));
    let isOfPrefix = shift == ${32 - DIGIT}u || (order >> min(shift + ${DIGIT}u, 31u)) == (above >> min(shift + ${DIGIT}u, 31u));
    if (isOfPrefix) { atomicAdd(&counts[(order >> shift) & ${DIGITS - 1}u], 1u); }`)}
    workgroupBarrier();
    if (lane == 0u) {
      var digit = ${DIGITS - 1}u;
      var remaining = left;
      for (; digit > 0u; digit -= 1u) {
        let own = atomicLoad(&counts[digit]);
        if (own >= remaining) { break; }
        remaining -= own;
      }
      left = remaining;
      kept = above | (digit << shift);
    }
    workgroupBarrier();
  }
  return kept;
}
`;
}

/** Each lane takes values that follow each other, so that sums over lanes are sums over the first values. */
function sampledFunction({ width, invocations }: ChooseVariant): string {
  const each = Math.ceil(width / invocations);
  return `fn share(at: u32, most: f32, temperature: f32, least: u32) -> f32 {
  let value = valueAt(at);
  return select(exp((value - most) / temperature), 0.0, orderOf(value) < least);
}
fn sampled(base: u32, lane: u32, most: f32, temperature: f32, least: u32, random: f32) -> u32 {
  let first = min(lane * ${each}u, ${width}u);
  let end = min(first + ${each}u, ${width}u);
  var own = 0.0;
  for (var k = first; k < end; k += 1u) { own += share(base + k, most, temperature, least); }
  tops[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < ${invocations}u; i += 1u) { total += tops[i]; }
    let wanted = random * total;
    var sum = 0.0;
    var taken = 0u;
    var begin = 0.0;
    // The last lane with a share, where rounding leaves the whole sum below what is wanted.
    for (var i = 0u; i < ${invocations}u; i += 1u) {
      if (tops[i] > 0.0) { taken = i; begin = sum; }
      sum += tops[i];
      if (sum > wanted) { break; }
    }
    sum = begin;
    var index = min(taken * ${each}u, ${width - 1}u);
    for (var k = taken * ${each}u; k < min((taken + 1u) * ${each}u, ${width}u); k += 1u) {
      let share = share(base + k, most, temperature, least);
      if (share > 0.0) { index = k; }
      sum += share;
      if (sum > wanted) { break; }
    }
    places[0] = index;
  }
  workgroupBarrier();
  return places[0];
}
`;
}

function mainText({ width, end, invocations }: ChooseVariant): string {
  const ended = end === undefined ? '' : `  if (before[row] == ${end}) {
    if (lane == 0u) { y[row] = ${end}; }
    return;
  }
`;
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let row = ${LINEAR_WORKGROUP};
  if (row >= step.rows) { return; }
${ended}  let base = row * ${width}u;
  let temperature = settings[row * ${CHOICE_SETTINGS}u];
  let topK = settings[row * ${CHOICE_SETTINGS}u + 1u];
  let best = greatest(base, lane);
  if (temperature <= 0.0) {
    if (lane == 0u) { y[row] = i32(best); }
    return;
  }
  let most = valueAt(base + best);
  workgroupBarrier();
  var least = 0u;
  if (topK >= 1.0 && topK < ${width}.0) { least = leastKept(base, lane, u32(topK)); }
  let index = sampled(base, lane, most, temperature, least, settings[row * ${CHOICE_SETTINGS}u + 2u]);
  if (lane == 0u) { y[row] = i32(index); }
}
`;
}

export function chooseKernel(variant: ChooseVariant): Kernel {
  const { width, end, invocations } = variant;
  const read = (name: string, type: string): Binding => ({ name, access: 'read', type });
  const bindings: readonly Binding[] = [
    read('x', 'array<f32>'), read('settings', 'array<f32>'), ...(end === undefined ? [] : [read('before', 'array<i32>')]),
    { name: 'y', access: 'write', type: 'array<i32>' }, STEP_BINDING,
  ];
  const memory = `var<workgroup> tops: array<f32, ${invocations}>;
var<workgroup> places: array<u32, ${invocations}>;
var<workgroup> counts: array<atomic<u32>, ${DIGITS}>;
var<workgroup> kept: u32;
var<workgroup> left: u32;
`;
  const functions = [VALUES, greatestFunction(variant), leastKeptFunction(variant), sampledFunction(variant)].join('');
  return {
    key: kernelKey('choose', variant),
    label: `choose [${width}]`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}\n${memory}${functions}${mainText(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function chooseWorkgroups(rows: number): Workgroups {
  return linearWorkgroups(rows);
}
