/**
 * WGSL that turns fetched units of 32 elements of x or W into lines of a tile. As halves, element pairs lie as bit operations on words of
 * four codes give them, (0, 2) before (1, 3), and each vec4<u32> has four elements of the unit's first half and four of its second; x and
 * W lie alike, so that their products meet. As floats they lie in order.
 */
import { hexWord } from '../../wgsl/expressions.ts';
import { packedFormatOf } from '../../packed-layout.ts';
import type { LinearPartShape } from '../../linear-shape.ts';
import type { MatrixConfig } from '../../wgsl/subgroup-matrix.ts';

/**
 * How a unit lies in the registers that brought it: 16 bytes of nibbles (`offset`: less 8), 32 int8, 32 floats of one byte, halves, 16-bit
 * floats, or floats.
 */
export type UnitForm = 'nibbles' | 'offsetNibbles' | 'bytes' | 'e4m3' | 'f16' | 'bf16' | 'f32';

/** vec4<u32> of a fetched unit. */
export const UNIT_VECTORS: Readonly<Record<UnitForm, number>> = {
  nibbles: 1, offsetNibbles: 1, bytes: 2, e4m3: 2, f16: 4, bf16: 4, f32: 8,
};

/** The form of a part's units; codes of other widths, and those of codebooks, are fetched as int8. */
export function unitForm({ type }: LinearPartShape): UnitForm {
  const format = packedFormatOf(type);
  if (format.kind === 'floats') return format.type;
  if (format.meaning === 'e4m3') return 'e4m3';
  if (format.meaning === 'number' && format.codeBits === 4) return format.signed ? 'offsetNibbles' : 'nibbles';
  return 'bytes';
}

/** Whether units have scales. */
export function isScaled(form: UnitForm): boolean {
  return !['f16', 'bf16', 'f32'].includes(form);
}

/** Both halves of a word. */
const both = (bits: number) => hexWord(bits * 0x10001);
const HALF_1024 = 0x6400;

/** `Pair`, two halves, and its words. The emulation reckons in f32 and rounds where it stores. */
function pairText({ emulated }: MatrixConfig): string {
  const [type, read, word] = emulated
    ? ['vec2<f32>', 'unpack2x16float(word)', 'pack2x16float(pair)']
    : ['vec2<f16>', 'bitcast<vec2<f16>>(word)', 'bitcast<u32>(pair)'];
  return `alias Pair = ${type};
fn pairOf(word: u32) -> Pair { return ${read}; }
fn wordOf(pair: Pair) -> u32 { return ${word}; }
fn vectorOf(a: Pair, b: Pair, c: Pair, d: Pair) -> vec4<u32> { return vec4<u32>(wordOf(a), wordOf(b), wordOf(c), wordOf(d)); }`;
}

/** Eight halves of codes: value = code * scale - minimum, where `hasMinimum`, of the unit's halves. */
function halfFunction(name: string, texts: FourTexts, hasMinimum: boolean): string {
  const value = (text: string, part: 'x' | 'y') =>
    hasMinimum ? `fma(${text}, Pair(scale.${part}), Pair(-minimum.${part}))` : `${text} * scale.${part}`;
  const [a, b, c, d] = texts;
  return `fn ${name}(a: u32, b: u32, scale: Pair${hasMinimum ? ', minimum: Pair' : ''}) -> vec4<u32> {
  return vectorOf(${value(a, 'x')}, ${value(b, 'x')}, ${value(c, 'y')}, ${value(d, 'y')});
}`;
}

type FourTexts = readonly [string, string, string, string];

/** Texts of bytes 0 and 2, and of 1 and 3, of words a and b. */
const ofBytes = (text: (word: string) => string): FourTexts => [text('a'), text('(a >> 8u)'), text('b'), text('(b >> 8u)')];

const BYTES = ofBytes((word) => `(pairOf((${word} & ${both(0xff)}) ^ ${both(HALF_1024 + 0x80)}) - 1152)`);

/** The bits of e4m3 as those of a half are 2^-8 times its value, numbers below 2^-6 too. */
const E4M3 = ofBytes((word) => `pairOf(((${word} & ${both(0x80)}) << 8u) | ((${word} & ${both(0x7f)}) << 7u))`);

/** Low nibbles of word a are of the unit's first half, high ones of its second. */
function nibbles(offset: 0 | 8): FourTexts {
  const low = (word: string) => `(pairOf((${word} & ${both(0xf)}) ^ ${both(HALF_1024 + offset)}) - ${1024 + offset})`;
  const high = (word: string) =>
    `fma(pairOf((${word} & ${both(0xf0)}) ^ ${both(HALF_1024 + 16 * offset)}), Pair(0.0625), Pair(${-64 - offset}))`;
  return [low('a'), low('(a >> 8u)'), high('a'), high('(a >> 8u)')];
}

const HALF_TEXTS: Readonly<Partial<Record<UnitForm, FourTexts>>> = {
  nibbles: nibbles(0), offsetNibbles: nibbles(8), bytes: BYTES, e4m3: E4M3,
};

/** What turns units of these forms into lines: functions that {@link storeUnit} calls. */
export function unitFunctions(config: MatrixConfig, forms: readonly UnitForm[], hasMinimum: boolean): string {
  if (config.input === 'f32') return forms.includes('e4m3') ? floatE4m3() : '';
  const distinct = [...new Set(forms)].filter(isScaled);
  return [
    pairText(config),
    ...distinct.map((form) => halfFunction(`${form}Of`, HALF_TEXTS[form]!, false)),
    ...(hasMinimum ? distinct.map((form) => halfFunction(`${form}Above`, HALF_TEXTS[form]!, true)) : []),
  ].join('\n');
}

const floatE4m3 = () => `fn e4m3Floats(word: u32) -> vec4<f32> {
  let bytes = vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u);
  let size = vec4<f32>(bytes & vec4<u32>(7u));
  let exponent = (bytes >> vec4<u32>(3u)) & vec4<u32>(15u);
  let raised = bitcast<vec4<f32>>((max(exponent, vec4<u32>(1u)) + 117u) << vec4<u32>(23u));
  let values = (size + select(vec4<f32>(8.0), vec4<f32>(), exponent == vec4<u32>())) * raised;
  return select(values, -values, (bytes & vec4<u32>(128u)) != vec4<u32>());
}`;

export interface StoredUnit {
  readonly form: UnitForm;
  /** WGSL of the vec4<u32> that were fetched, by number. */
  readonly vector: (i: number) => string;
  /** WGSL, vec2<f32>, of the unit's halves; what unscaled values are multiplied by is `factor`, f32, where there is such. */
  readonly scales: string;
  readonly minimums: string | undefined;
  readonly factor: string | undefined;
  /** WGSL of the place of the unit's vec4 of a number. */
  readonly at: (i: number) => string;
}

/** Statements that store a unit in array `memory`. */
export function storeUnit(config: MatrixConfig, unit: StoredUnit, memory: string): string {
  return config.input === 'f16' ? storeHalves(unit, memory) : storeFloats(unit, memory);
}

const PARTS = ['x', 'y', 'z', 'w'] as const;

function storeHalves({ form, vector, scales, minimums, factor, at }: StoredUnit, memory: string): string {
  const store = (value: (i: number) => string) => [0, 1, 2, 3].map((i) => `${memory}[${at(i)}] = ${value(i)};`).join('\n');
  if (isScaled(form)) {
    // Codes that are floats are read as 2^-8 of their values.
    const scale = `let scale = Pair(${scales}${form === 'e4m3' ? ' * 256.0' : ''});`;
    const second = (i: number) => (form === 'nibbles' || form === 'offsetNibbles' ? '0u' : `${vector(1)}.${PARTS[i]}`);
    const [name, last] = minimums ? [`${form}Above`, ', minimum'] : [`${form}Of`, ''];
    const call = (i: number) => `${name}(${vector(0)}.${PARTS[i]}, ${second(i)}, scale${last})`;
    return `${scale}\n${minimums ? `let minimum = Pair(${minimums});\n` : ''}${store(call)}`;
  }
  if (form === 'f16' && factor === undefined) {
    const words = (v: string, q: number) => {
      const [low, high] = [`${v}.${PARTS[2 * q]}`, `${v}.${PARTS[2 * q + 1]}`];
      return `(${low} & 0xffffu) | (${high} << 16u), (${low} >> 16u) | (${high} & 0xffff0000u)`;
    };
    return store((i) => `vec4<u32>(${words(vector(i >> 1), i & 1)}, ${words(vector(2 + (i >> 1)), i & 1)})`);
  }
  const quad = (i: number) => `(${floatQuad(form, vector, i)}${factor ? ` * ${factor}` : ''})`;
  const pairs = (i: number) => `Pair(${quad(i)}.xz), Pair(${quad(i)}.yw)`;
  return store((i) => `vectorOf(${pairs(i)}, ${pairs(4 + i)})`);
}

/** Elements 4i .. 4i + 3 of a unit of floats, vec4<f32>. */
function floatQuad(form: UnitForm, vector: (i: number) => string, i: number): string {
  if (form === 'f32') return `bitcast<vec4<f32>>(${vector(i)})`;
  const [first, second] = [`${vector(i >> 1)}.${PARTS[2 * (i & 1)]}`, `${vector(i >> 1)}.${PARTS[2 * (i & 1) + 1]}`];
  if (form === 'f16') return `vec4<f32>(unpack2x16float(${first}), unpack2x16float(${second}))`;
  return `bitcast<vec4<f32>>(vec4<u32>(${first} << 16u, ${first} & 0xffff0000u, ${second} << 16u, ${second} & 0xffff0000u))`;
}

/** Elements 4i .. 4i + 3 of a unit of codes, vec4<f32>. */
function codeQuad(form: UnitForm, vector: (i: number) => string, i: number): string {
  const word = (v: number) => `${vector(v)}.${PARTS[i & 3]}`;
  if (form === 'bytes') return `vec4<f32>(unpack4xI8(${word(i >> 2)}))`;
  if (form === 'e4m3') return `e4m3Floats(${word(i >> 2)})`;
  const codes = `((${word(0)}${i < 4 ? '' : ' >> 4u'}) & 0x0f0f0f0fu)`;
  return form === 'nibbles' ? `vec4<f32>(unpack4xU8(${codes}))` : `(vec4<f32>(unpack4xU8(${codes} ^ 0x08080808u)) - 8.0)`;
}

export interface StoredSlice {
  readonly form: 'bytes' | 'f32';
  /** WGSL of elements 4i .. 4i + 3 of a unit's first half and of its second: words of int8, or vec4<f32>. */
  readonly low: string;
  readonly high: string;
  /** WGSL of the unit's scales: Pair for halves, vec2<f32> for floats. */
  readonly scales: string;
  readonly factor: string | undefined;
  /** WGSL of the slice's place, the element of an array, without its closing bracket. */
  readonly at: string;
}

/** Statements that store a quarter of a unit: of halves one vec4, of floats two, four apart. */
export function storeSlice({ input }: MatrixConfig, { form, low, high, scales, factor, at }: StoredSlice): string {
  const timed = (quad: string) => `(${quad}${factor ? ` * ${factor}` : ''})`;
  if (input === 'f16') {
    if (form === 'bytes') return `${at}] = bytesOf(${low}, ${high}, ${scales});`;
    const pairs = (quad: string) => `Pair(${timed(quad)}.xz), Pair(${timed(quad)}.yw)`;
    return `${at}] = vectorOf(${pairs(low)}, ${pairs(high)});`;
  }
  const quad = (name: string, part: string) => (form === 'f32' ? timed(name) : `vec4<f32>(unpack4xI8(${name})) * ${scales}.${part}`);
  return `${at}] = bitcast<vec4<u32>>(${quad(low, 'x')});\n${at} + 4u] = bitcast<vec4<u32>>(${quad(high, 'y')});`;
}

function storeFloats({ form, vector, scales, minimums, factor, at }: StoredUnit, memory: string): string {
  const quad = (i: number) => {
    const part = i < 4 ? 'x' : 'y';
    if (isScaled(form)) return `${codeQuad(form, vector, i)} * scale.${part}${minimums ? ` - minimum.${part}` : ''}`;
    return `${floatQuad(form, vector, i)}${factor ? ` * ${factor}` : ''}`;
  };
  const before = isScaled(form) ? `let scale = ${scales};\n${minimums ? `let minimum = ${minimums};\n` : ''}` : '';
  return before + [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `${memory}[${at(i)}] = bitcast<vec4<u32>>(${quad(i)});`).join('\n');
}
