/**
 * WGSL functions that read the scales of packed blocks (packed-layout.ts), for 32 elements of a row at a time. For part `n` of a
 * matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn scales{n}(row: u32, group: u32) -> vec2<f32>`: the scales of elements 0..15 and 16..31, so that value = scale * code - minimum.
 * - `fn minimum{n}(row: u32, group: u32)`, for formats with minimums only: what is subtracted from all 32, f32, or from each half,
 *   vec2<f32>.
 */
import type { BlockFormat } from '../../tensor/formats/weight-format.ts';
import type { PackedBlocks, PackedScale } from '../packed-layout.ts';
import { e4m3Magnitudes } from './e4m3.ts';

export interface ScaleReading {
  /** Number of the part. */
  readonly n: number;
  /** Groups of 32 in a row. */
  readonly groups: number;
  readonly layout: BlockFormat;
  /** Codes are read as so many times their value; scales make up for it. */
  readonly factor: number;
  /** Codes are read as so much less than their value, after that; minimums make up for it. */
  readonly excess: number;
}

/** What `minimum{n}` returns; undefined for formats without minimums. */
export function minimumType({ hasMinimum, scaleGroup }: PackedBlocks): 'f32' | 'vec2<f32>' | undefined {
  if (!hasMinimum) return undefined;
  return scaleGroup === 16 ? 'vec2<f32>' : 'f32';
}

const scalesFunction = (n: number, body: string) => `fn scales${n}(row: u32, group: u32) -> vec2<f32> {\n  ${body}\n}`;

/** One conversion behind a shift: cheaper than converting both halves and choosing. */
const pick = (plane: string, index: string) => `unpack2x16float(${plane}[(${index}) >> 1u] >> (((${index}) & 1u) << 4u)).x`;

function directScale({ n, groups, factor }: ScaleReading): string {
  return scalesFunction(n, `let at = row * ${groups}u + group;
  return vec2<f32>(${pick(`p${n}_scales`, 'at')} * ${1 / factor});`);
}

/** WGSL of a pair's two floats, from the plane's element. */
function pairValues(format: string, element: string): string {
  if (format === 'f16') return `unpack2x16float(${element})`;
  return format === 'bf16' ? `bitcast<vec2<f32>>(vec2<u32>(${element} << 16u, ${element} & 0xffff0000u))` : element;
}

function pairScale({ n, groups, layout, factor, excess }: ScaleReading): string {
  const groupsEach = layout.groupSize / 32;
  const group = groupsEach === 1 ? 'group' : `(group >> ${Math.log2(groupsEach)}u)`;
  const isPoint = layout.minimum?.timesScale === true;
  const minimum = excess === 0 ? 'pair.y' : `(pair.y + pair.x * ${excess})`;
  const subtracted = isPoint ? `pair.x * (pair.y - ${excess}.0)` : `-${minimum}`;
  const read = `let element = p${n}_pairs[row * ${groups / groupsEach}u + ${group}];
  let pair = ${pairValues(layout.scale.format, 'element')};`;
  return `${scalesFunction(n, `${read}\n  return vec2<f32>(pair.x * ${1 / factor});`)}
fn minimum${n}(row: u32, group: u32) -> f32 {
  ${read}
  return ${subtracted};
}`;
}

/** 2^(e - 127) or half of it; where that is below f32's normal numbers, 0. */
function exponentScale({ n, groups, layout, factor }: ScaleReading): string {
  const exponent = layout.scale.format === 'e8m0' ? 'byte' : '(max(byte, 1u) - 1u)';
  return scalesFunction(n, `let at = row * ${groups}u + group;
  let byte = (p${n}_scales[at >> 2u] >> ((at & 3u) << 3u)) & 0xffu;
  return vec2<f32>(bitcast<f32>(${exponent} << 23u) * ${1 / factor});`);
}

function ue4m3Scale({ n, groups, factor }: ScaleReading): string {
  const { raised, values } = e4m3Magnitudes('bytes << vec2<u32>(20u)', -1);
  return scalesFunction(n, `let at = row * ${groups}u + group;
  let pair = p${n}_scales[at >> 1u] >> ((at & 1u) << 4u);
  let bytes = vec2<u32>(pair, pair >> 8u) & vec2<u32>(0x7fu);
  ${raised}
  return select(${values}, vec2<f32>(), bytes == vec2<u32>(0x7fu)) * ${1 / factor};`);
}

function floatScale({ n, groups, factor }: ScaleReading): string {
  return scalesFunction(n, `return vec2<f32>(p${n}_scales[row * ${groups / 4}u + (group >> 2u)] * ${1 / factor});`);
}

/** 6-bit scales and minimums of eight groups in twelve bytes: ggml's get_scale_min_k4. */
function k4Scale({ n, groups, factor }: ScaleReading): string {
  const meta = `let m = p${n}_metas[row * ${groups / 8}u + (group >> 3u)];
  let j = group & 7u;
  let shift = (j & 3u) * 8u;`;
  const six = (own: string) => {
    const later = `((m.w >> (shift + ${own === 'm.y' ? 0 : 4}u)) & 15u) | (((${own} >> (shift + 6u)) & 3u) << 4u)`;
    return `select((${own} >> shift) & 63u, ${later}, j >= 4u)`;
  };
  return `${scalesFunction(n, `${meta}\n  return vec2<f32>(unpack2x16float(m.x).x * f32(${six('m.y')}) * ${1 / factor});`)}
fn minimum${n}(row: u32, group: u32) -> f32 {
  ${meta}
  return unpack2x16float(m.x).y * f32(${six('m.z')});
}`;
}

/** 6-bit scales of sixteen groups of 16, less 32: those of one group of 32 are neighbours, in neighbouring bytes. */
function k3Scale({ n, groups, factor }: ScaleReading): string {
  return scalesFunction(n, `let m = p${n}_metas[row * ${groups / 8}u + (group >> 3u)];
  let j = (group & 7u) * 2u;
  let shift = (j & 3u) * 8u;
  let low = select(m.y, m.z, (j & 4u) != 0u) >> (shift + select(0u, 4u, j >= 8u));
  let high = m.w >> (shift + ((j >> 2u) << 1u));
  let subs = (vec2<u32>(low, low >> 8u) & vec2<u32>(15u)) | ((vec2<u32>(high, high >> 8u) & vec2<u32>(3u)) << vec2<u32>(4u));
  return (vec2<f32>(subs) - 32.0) * (unpack2x16float(m.x).x * ${1 / factor});`);
}

/** 6-bit scales of eight groups, less 32. */
function xsScale({ n, groups, factor }: ScaleReading): string {
  return scalesFunction(n, `let m = p${n}_metas[row * ${groups / 8}u + (group >> 3u)];
  let j = group & 7u;
  let sub = ((m.y >> (4u * j)) & 15u) | (((m.x >> (16u + 2u * j)) & 3u) << 4u);
  return vec2<f32>((f32(sub) - 32.0) * (unpack2x16float(m.x).x * ${1 / factor}));`);
}

/** The two bytes of a group of 32 among the sixteen of its super-block. */
const subsPair = (n: number, groups: number) => `let block = row * ${groups / 8}u + (group >> 3u);
  let pair = p${n}_subs[block][(group >> 1u) & 3u] >> ((group & 1u) * 16u);`;

function bytesScale({ n, groups, factor }: ScaleReading): string {
  return scalesFunction(n, `${subsPair(n, groups)}
  let subs = vec2<i32>(bitcast<i32>(pair << 24u) >> 24u, bitcast<i32>(pair << 16u) >> 24u);
  return vec2<f32>(subs) * (${pick(`p${n}_scales`, 'block')} * ${1 / factor});`);
}

function nibblesScale({ n, groups, factor }: ScaleReading): string {
  const both = (shift: number) => `vec2<f32>(vec2<u32>(pair >> ${shift}u, pair >> ${shift + 8}u) & vec2<u32>(15u))`;
  return `${scalesFunction(n, `${subsPair(n, groups)}\n  return ${both(0)} * (unpack2x16float(p${n}_pairs[block]).x * ${1 / factor});`)}
fn minimum${n}(row: u32, group: u32) -> vec2<f32> {
  ${subsPair(n, groups)}
  return ${both(4)} * unpack2x16float(p${n}_pairs[block]).y;
}`;
}

const SCALE_FUNCTIONS = {
  direct: directScale, pair: pairScale, e8m0: exponentScale, ue4m3: ue4m3Scale, f32: floatScale,
  k4: k4Scale, k3: k3Scale, xs: xsScale, bytes: bytesScale, nibbles: nibblesScale,
} as const satisfies Readonly<Record<PackedScale, (reading: ScaleReading) => string>>;

/** `scales{n}` and `minimum{n}`. */
export function scaleFunctions(scale: PackedScale, reading: ScaleReading): string {
  return SCALE_FUNCTIONS[scale](reading);
}
