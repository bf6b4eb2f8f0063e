/**
 * WGSL functions that read the scales of packed blocks (packed-layout.ts), for 32 elements of a row at a time. For part `n` of a
 * matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn scales{n}(row: u32, group: u32) -> vec2<f32>`: the scales of elements 0..15 and 16..31, so that value = scale * code - minimum.
 * - `fn minimum{n}(row: u32, group: u32)`, for formats with minimums only: what is subtracted from all 32, f32, or from each half,
 *   vec2<f32>.
 * The same in two steps, for kernels that read long before they use: what waits for a read is then all in the second.
 * - `fn scaleWords{n}(row: u32, group: u32) -> Words`: u32, vec2<u32> or vec4<u32>, as they lie.
 * - `fn scalesOf{n}(words: Words, row: u32, group: u32) -> vec2<f32>` and `fn minimumOf{n}(words: Words, row: u32, group: u32)`.
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

/** What `minimum{n}` returns, of a format with minimums. */
const minimumOfGroup = ({ groupSize }: Pick<BlockFormat, 'groupSize'>) => (groupSize === 16 ? 'vec2<f32>' : 'f32');

/** What `minimum{n}` returns; undefined for formats without minimums. */
export function minimumType({ hasMinimum, layout }: PackedBlocks): 'f32' | 'vec2<f32>' | undefined {
  return hasMinimum ? minimumOfGroup(layout) : undefined;
}

/** Type of what `scaleWords{n}` returns. */
export type ScaleWords = 'u32' | 'vec2<u32>' | 'vec4<u32>';

interface ScaleTexts {
  readonly words: ScaleWords;
  /** Statements that end with a return; they see `row`, `group` and, but for the first, `words`. */
  readonly read: string;
  readonly scales: string;
  readonly minimum?: string;
}

/** One conversion behind a shift: cheaper than converting both halves and choosing. */
const half = (word: string, index: string) => `unpack2x16float(${word} >> (((${index}) & 1u) << 4u)).x`;

const groupAt = (groups: number) => `let at = row * ${groups}u + group;`;

function directScale({ n, groups, factor }: ScaleReading): ScaleTexts {
  return {
    words: 'u32',
    read: `return p${n}_scales[(row * ${groups}u + group) >> 1u];`,
    scales: `${groupAt(groups)}
  return vec2<f32>(${half('words', 'at')} * ${1 / factor});`,
  };
}

/** WGSL of a pair's two floats, from the words. */
function pairValues(format: string): string {
  if (format === 'f16') return `unpack2x16float(words)`;
  return format === 'bf16' ? `bitcast<vec2<f32>>(vec2<u32>(words << 16u, words & 0xffff0000u))` : 'bitcast<vec2<f32>>(words)';
}

function pairScale({ n, groups, layout, factor, excess }: ScaleReading): ScaleTexts {
  const groupsEach = layout.groupSize / 32;
  const group = groupsEach === 1 ? 'group' : `(group >> ${Math.log2(groupsEach)}u)`;
  const isPoint = layout.minimum?.timesScale === true;
  const minimum = excess === 0 ? 'pair.y' : `(pair.y + pair.x * ${excess})`;
  const subtracted = isPoint ? `pair.x * (pair.y - ${excess}.0)` : `-${minimum}`;
  const element = `p${n}_pairs[row * ${groups / groupsEach}u + ${group}]`;
  const isWide = layout.scale.format === 'f32';
  const pair = `let pair = ${pairValues(layout.scale.format)};`;
  return {
    words: isWide ? 'vec2<u32>' : 'u32',
    read: `return ${isWide ? `bitcast<vec2<u32>>(${element})` : element};`,
    scales: `${pair}\n  return vec2<f32>(pair.x * ${1 / factor});`,
    minimum: `${pair}\n  return ${subtracted};`,
  };
}

/** 2^(e - 127) or half of it; where that is below f32's normal numbers, 0. */
function exponentScale({ n, groups, layout, factor }: ScaleReading): ScaleTexts {
  const exponent = layout.scale.format === 'e8m0' ? 'byte' : '(max(byte, 1u) - 1u)';
  return {
    words: 'u32',
    read: `return p${n}_scales[(row * ${groups}u + group) >> 2u];`,
    scales: `${groupAt(groups)}
  let byte = (words >> ((at & 3u) << 3u)) & 0xffu;
  return vec2<f32>(bitcast<f32>(${exponent} << 23u) * ${1 / factor});`,
  };
}

function ue4m3Scale({ n, groups, factor }: ScaleReading): ScaleTexts {
  const { raised, values } = e4m3Magnitudes('bytes << vec2<u32>(20u)', -1);
  return {
    words: 'u32',
    read: `return p${n}_scales[(row * ${groups}u + group) >> 1u];`,
    scales: `${groupAt(groups)}
  let pair = words >> ((at & 1u) << 4u);
  let bytes = vec2<u32>(pair, pair >> 8u) & vec2<u32>(0x7fu);
  ${raised}
  return select(${values}, vec2<f32>(), bytes == vec2<u32>(0x7fu)) * ${1 / factor};`,
  };
}

function floatScale({ n, groups, factor }: ScaleReading): ScaleTexts {
  return {
    words: 'u32',
    read: `return bitcast<u32>(p${n}_scales[row * ${groups / 4}u + (group >> 2u)]);`,
    scales: `return vec2<f32>(bitcast<f32>(words) * ${1 / factor});`,
  };
}

/** A super-block's record. */
const readMeta = (n: number, groups: number) => `return p${n}_metas[row * ${groups / 8}u + (group >> 3u)];`;

/** 6-bit scales and minimums of eight groups in twelve bytes: ggml's get_scale_min_k4. */
function k4Scale({ n, groups, factor }: ScaleReading): ScaleTexts {
  const place = `let j = group & 7u;
  let shift = (j & 3u) * 8u;`;
  const six = (own: string) => {
    const later = `((words.w >> (shift + ${own === 'words.y' ? 0 : 4}u)) & 15u) | (((${own} >> (shift + 6u)) & 3u) << 4u)`;
    return `select((${own} >> shift) & 63u, ${later}, j >= 4u)`;
  };
  return {
    words: 'vec4<u32>',
    read: readMeta(n, groups),
    scales: `${place}\n  return vec2<f32>(unpack2x16float(words.x).x * f32(${six('words.y')}) * ${1 / factor});`,
    minimum: `${place}\n  return unpack2x16float(words.x).y * f32(${six('words.z')});`,
  };
}

/** 6-bit scales of sixteen groups of 16, less 32: those of one group of 32 are neighbours, in neighbouring bytes. */
function k3Scale({ n, groups, factor }: ScaleReading): ScaleTexts {
  return {
    words: 'vec4<u32>',
    read: readMeta(n, groups),
    scales: `let j = (group & 7u) * 2u;
  let shift = (j & 3u) * 8u;
  let low = select(words.y, words.z, (j & 4u) != 0u) >> (shift + select(0u, 4u, j >= 8u));
  let high = words.w >> (shift + ((j >> 2u) << 1u));
  let subs = (vec2<u32>(low, low >> 8u) & vec2<u32>(15u)) | ((vec2<u32>(high, high >> 8u) & vec2<u32>(3u)) << vec2<u32>(4u));
  return (vec2<f32>(subs) - 32.0) * (unpack2x16float(words.x).x * ${1 / factor});`,
  };
}

/** 6-bit scales of eight groups, less 32. */
function xsScale({ n, groups, factor }: ScaleReading): ScaleTexts {
  return {
    words: 'vec2<u32>',
    read: readMeta(n, groups),
    scales: `let j = group & 7u;
  let sub = ((words.y >> (4u * j)) & 15u) | (((words.x >> (16u + 2u * j)) & 3u) << 4u);
  return vec2<f32>((f32(sub) - 32.0) * (unpack2x16float(words.x).x * ${1 / factor}));`,
  };
}

/** Two of a super-block's sixteen bytes, those of a group of 32 among them, and a word of its own scale. */
const readSubs = (n: number, groups: number, own: string) => `let block = row * ${groups / 8}u + (group >> 3u);
  return vec2<u32>(p${n}_subs[block][(group >> 1u) & 3u], p${n}_${own});`;

const SUBS_PAIR = 'let pair = words.x >> ((group & 1u) * 16u);';

function bytesScale({ n, groups, factor }: ScaleReading): ScaleTexts {
  return {
    words: 'vec2<u32>',
    read: readSubs(n, groups, 'scales[block >> 1u]'),
    scales: `${SUBS_PAIR}
  let subs = vec2<i32>(bitcast<i32>(pair << 24u) >> 24u, bitcast<i32>(pair << 16u) >> 24u);
  return vec2<f32>(subs) * (${half('words.y', `row * ${groups / 8}u + (group >> 3u)`)} * ${1 / factor});`,
  };
}

function nibblesScale({ n, groups, factor }: ScaleReading): ScaleTexts {
  const both = (shift: number) => `vec2<f32>(vec2<u32>(pair >> ${shift}u, pair >> ${shift + 8}u) & vec2<u32>(15u))`;
  return {
    words: 'vec2<u32>',
    read: readSubs(n, groups, 'pairs[block]'),
    scales: `${SUBS_PAIR}\n  return ${both(0)} * (unpack2x16float(words.y).x * ${1 / factor});`,
    minimum: `${SUBS_PAIR}\n  return ${both(4)} * unpack2x16float(words.y).y;`,
  };
}

const SCALE_TEXTS = {
  direct: directScale, pair: pairScale, e8m0: exponentScale, ue4m3: ue4m3Scale, f32: floatScale,
  k4: k4Scale, k3: k3Scale, xs: xsScale, bytes: bytesScale, nibbles: nibblesScale,
} as const satisfies Readonly<Record<PackedScale, (reading: ScaleReading) => ScaleTexts>>;

/** What `scaleWords{n}` returns. */
export function scaleWordsType(scale: PackedScale, reading: ScaleReading): ScaleWords {
  return SCALE_TEXTS[scale](reading).words;
}

/** `scaleWords{n}`, `scalesOf{n}` and `minimumOf{n}`. */
export function scaleStepFunctions(scale: PackedScale, reading: ScaleReading): string {
  const { n, layout } = reading;
  const { words, read, scales, minimum } = SCALE_TEXTS[scale](reading);
  const of = `words: ${words}, row: u32, group: u32`;
  const last = minimum && `\nfn minimumOf${n}(${of}) -> ${minimumOfGroup(layout)} {\n  ${minimum}\n}`;
  return `fn scaleWords${n}(row: u32, group: u32) -> ${words} {\n  ${read}\n}
fn scalesOf${n}(${of}) -> vec2<f32> {\n  ${scales}\n}${last ?? ''}`;
}

/** `scales{n}` and `minimum{n}`, with the functions that they are made of. */
export function scaleFunctions(scale: PackedScale, reading: ScaleReading): string {
  const { n, layout } = reading;
  const { minimum } = SCALE_TEXTS[scale](reading);
  const whole = (name: string, type: string) =>
    `\nfn ${name}${n}(row: u32, group: u32) -> ${type} { return ${name}Of${n}(scaleWords${n}(row, group), row, group); }`;
  return `${scaleStepFunctions(scale, reading)}${whole('scales', 'vec2<f32>')}${minimum ? whole('minimum', minimumOfGroup(layout)) : ''}`;
}
