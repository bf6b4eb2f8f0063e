/** One index of each row by its logits (graph/ops/choose.ts says how), and its row of a table where asked for. A workgroup takes a row. */
import { kernelHeader, kernelKey, linearWorkgroups, LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { partBindings, STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';
import { weightValueFunctions } from '../../wgsl/weight-values.ts';

/** Rows of a table [vocab, width], whose width is a multiple of 4, and columns of rows of so many that are added to them. */
export interface ChosenRow {
  readonly type: WeightType;
  readonly vocab: number;
  readonly width: number;
  readonly base?: { readonly start: number; readonly of: number } | undefined;
}

/**
 * Bindings `x`: f32 [rows, width]; `settings`: f32 [rows, numbers]; `before`: i32 [rows], where there is an end; `y`: i32 [rows]. With a
 * row `p0_*`: the planes of the table; `base`: f32 [rows, of], where there is one; `embedded`: f32 [rows, width of the table].
 */
export interface ChooseVariant {
  readonly width: number;
  readonly end: number | undefined;
  /** Numbers of a row's settings, and the place of those that count. */
  readonly settings: { readonly numbers: number; readonly first: number };
  readonly row?: ChosenRow | undefined;
  /** A power of two from 16 on. */
  readonly invocations: number;
}

/** Bits of a digit, by which the k-th greatest is found: a lane has a digit, or none. */
function digitBits({ invocations }: ChooseVariant): 4 | 8 {
  return invocations >= 256 ? 8 : 4;
}

/** NaN is the least of numbers; the bits of floats in an order that is that of the floats. */
const VALUES = `const LEAST = -3.4028234e38;
fn valueAt(at: u32) -> f32 {
  let value = x[at];
  let bits = bitcast<u32>(value);
  return select(max(value, LEAST), LEAST, (bits & 0x7fffffffu) > 0x7f800000u);
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
  let found = places[0];
  workgroupBarrier();
  return found;
}
`;
}

/**
 * The order of a row's k-th greatest value, a digit at a time: of the values that have the digits so far, how many have each next digit or
 * a greater one. One lane's digit is the greatest that enough of them reach.
 */
function leastKeptFunction(variant: ChooseVariant): string {
  const { width, invocations } = variant;
  const bits = digitBits(variant);
  const digits = 2 ** bits;
  const top = 32 - bits;
  return `fn leastKept(base: u32, lane: u32, k0: u32) -> u32 {
  var above = 0u;
  var left = k0;
  for (var turn = 0u; turn < ${32 / bits}u; turn++) {
    let shift = ${top}u - turn * ${bits}u;
    if (lane < ${digits}u) { atomicStore(&counts[lane], 0u); }
    workgroupBarrier();
${laneLoop(width, invocations, `    let order = orderOf(valueAt(base + k));
    let isOfPrefix = turn == 0u || (order >> min(shift + ${bits}u, 31u)) == (above >> min(shift + ${bits}u, 31u));
    if (isOfPrefix) { atomicAdd(&counts[(order >> shift) & ${digits - 1}u], 1u); }`)}
    workgroupBarrier();
    if (lane < ${digits}u) { places[lane] = atomicLoad(&counts[lane]); }
    for (var reach = 1u; reach < ${digits}u; reach *= 2u) {
      workgroupBarrier();
      var more = 0u;
      if (lane + reach < ${digits}u) { more = places[lane + reach]; }
      workgroupBarrier();
      if (lane < ${digits}u) { places[lane] += more; }
    }
    workgroupBarrier();
    if (lane < ${digits}u) {
      var greater = 0u;
      if (lane < ${digits - 1}u) { greater = places[lane + 1u]; }
      if (places[lane] >= left && greater < left) {
        chosen[0] = above | (lane << shift);
        chosen[1] = left - greater;
      }
    }
    workgroupBarrier();
    above = chosen[0];
    left = chosen[1];
  }
  return above;
}
`;
}

/**
 * Each lane takes values that follow each other, so that sums over lanes are sums over the first values. The first lane with a share, up to
 * which they add up to more than is wanted, goes through its own; where rounding leaves all of them below that, the last with a share does.
 */
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
  for (var k = first; k < end; k++) { own += share(base + k, most, temperature, least); }
  tops[lane] = own;
  if (lane == 0u) { atomicStore(&counts[0], ${invocations}u); atomicStore(&counts[1], 0u); }
  for (var reach = 1u; reach < ${invocations}u; reach *= 2u) {
    workgroupBarrier();
    var before = 0.0;
    if (lane >= reach) { before = tops[lane - reach]; }
    workgroupBarrier();
    tops[lane] += before;
  }
  workgroupBarrier();
  let wanted = random * tops[${invocations - 1}u];
  if (own > 0.0) {
    atomicMax(&counts[1], lane);
    if (tops[lane] > wanted) { atomicMin(&counts[0], lane); }
  }
  workgroupBarrier();
  let reached = atomicLoad(&counts[0]);
  if (lane == select(reached, atomicLoad(&counts[1]), reached == ${invocations}u)) {
    var sum = 0.0;
    if (lane > 0u) { sum = tops[lane - 1u]; }
    var index = min(first, ${width - 1}u);
    for (var k = first; k < end; k++) {
      let share = share(base + k, most, temperature, least);
      if (share > 0.0) { index = k; }
      sum += share;
      if (sum > wanted) { break; }
    }
    chosen[0] = index;
  }
  workgroupBarrier();
  return chosen[0];
}
`;
}

/** `fn chosenIn(row, lane) -> u32`, the same in every lane. */
function chosenFunction({ width, end, settings }: ChooseVariant): string {
  const ended = end === undefined ? '' : `  if (before[row] == ${end}) { return ${end}u; }\n`;
  const setting = (n: number) => `settings[row * ${settings.numbers}u + ${settings.first + n}u]`;
  return `fn chosenIn(row: u32, lane: u32) -> u32 {
${ended}  let first = row * ${width}u;
  let temperature = ${setting(0)};
  let topK = ${setting(1)};
  let best = greatest(first, lane);
  if (temperature <= 0.0) { return best; }
  let most = valueAt(first + best);
  var least = 0u;
  if (topK >= 1.0 && topK < ${width}.0) { least = leastKept(first, lane, u32(topK)); }
  return sampled(first, lane, most, temperature, least, ${setting(2)});
}
`;
}

function mainText({ row, invocations }: ChooseVariant): string {
  const added = row?.base ? ` + base[row * ${row.base.of / 4}u + ${row.base.start / 4}u + k]` : '';
  const embedded = row === undefined ? '' : `${laneLoop(row.width / 4, invocations,
    `    embedded[row * ${row.width / 4}u + k] = quad0(min(index, ${row.vocab - 1}u), k)${added};`)}\n`;
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let row = ${LINEAR_WORKGROUP};
  if (row >= step.rows) { return; }
  let index = chosenIn(row, lane);
  if (lane == 0u) { y[row] = i32(index); }
${embedded}}
`;
}

export function chooseKernel(variant: ChooseVariant): Kernel {
  const { width, end, row, invocations } = variant;
  const read = (name: string, type: string): Binding => ({ name, access: 'read', type });
  const bindings: readonly Binding[] = [
    read('x', 'array<f32>'), read('settings', 'array<f32>'), ...(end === undefined ? [] : [read('before', 'array<i32>')]),
    ...(row ? [...partBindings({ type: row.type, rows: row.vocab }, 0, row.width)] : []),
    ...(row?.base ? [read('base', 'array<vec4<f32>>')] : []),
    { name: 'y', access: 'write', type: 'array<i32>' },
    ...(row ? [{ name: 'embedded', access: 'write' as const, type: 'array<vec4<f32>>' }] : []), STEP_BINDING,
  ];
  const memory = `var<workgroup> tops: array<f32, ${invocations}>;
var<workgroup> places: array<u32, ${invocations}>;
var<workgroup> counts: array<atomic<u32>, ${2 ** digitBits(variant)}>;
var<workgroup> chosen: array<u32, 2>;
`;
  const functions = [
    VALUES, greatestFunction(variant), leastKeptFunction(variant), sampledFunction(variant), chosenFunction(variant),
    row ? `${weightValueFunctions({ type: row.type, rows: row.vocab }, 0, row.width)}\n` : '',
  ].join('');
  return {
    key: kernelKey('choose', variant),
    label: `choose [${width}]${row ? ` and ${row.type} [${row.vocab}, ${row.width}]` : ''}`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}\n${memory}${functions}${mainText(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function chooseWorkgroups(rows: number): Workgroups {
  return linearWorkgroups(rows);
}

