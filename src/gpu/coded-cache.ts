/**
 * Keys and values as codes in the cache (graph/kv-types.ts), read as if they were f16, in chunks of 8 halves, or a group at a time by
 * kernels that wait for memory. Where either of keys and values has codes, the cache is an array of units of as many bytes as a group's
 * codes take, 16, or 8 where one of them is `q4`.
 */
import { isCodedKv, KV_RECORDS, kvGroups, kvVectorBytes } from '../graph/kv-types.ts';
import type { KvType } from '../graph/kv-types.ts';

/** Keys or values of a cache with codes. */
export interface CachedPart {
  readonly type: KvType;
  readonly dim: number;
  /** Bytes of the cache's units. */
  readonly unitBytes: 8 | 16;
}

export function unitBytesOf(types: readonly KvType[]): 8 | 16 {
  return types.includes('q4') ? 8 : 16;
}

/** Bytes of one head's key or value in the cache, floats padded to chunks of 16 bytes. */
export function cachedVectorBytes(type: KvType, dim: number): number {
  if (isCodedKv(type)) return kvVectorBytes(type, dim);
  return Math.ceil(kvVectorBytes(type, dim) / 16) * 16;
}

export function vectorUnits({ type, dim, unitBytes }: CachedPart): number {
  return cachedVectorBytes(type, dim) / unitBytes;
}

/** Units of a vector's codes, which its scales follow. */
function codeUnits({ type, dim, unitBytes }: CachedPart): number {
  return (kvGroups(type, dim) * 2 * KV_RECORDS[type].bits) / unitBytes;
}

/** WGSL of a chunk of a vector of f16 that begins at `at`. */
function halvesText({ unitBytes }: CachedPart): string {
  return unitBytes === 16 ? 'kv[at + chunk]' : 'vec4<u32>(kv[at + 2u * chunk], kv[at + 2u * chunk + 1u])';
}

/** WGSL statements that leave in `low` and `high` the codes of a chunk's two quads as floats. */
function codesText({ type, unitBytes }: CachedPart): string {
  if (type === 'q4') {
    return `  let word = kv[at + (chunk >> 1u)][chunk & 1u];
  let low = vec4<f32>(unpack4xU8(word & 0x0f0f0f0fu)) - vec4<f32>(8.0);
  let high = vec4<f32>(unpack4xU8((word >> 4u) & 0x0f0f0f0fu)) - vec4<f32>(8.0);`;
  }
  const pair = unitBytes === 8
    ? '  let pair = kv[at + chunk];'
    : '  let unit = kv[at + (chunk >> 1u)];\n  let pair = select(unit.xy, unit.zw, (chunk & 1u) == 1u);';
  return `${pair}
  let low = vec4<f32>(unpack4xI8(pair.x));
  let high = vec4<f32>(unpack4xI8(pair.y));`;
}

/** Bits of 65,504 / 128: with a scale up to that no code stands for more than halves hold. */
const WIDEST_SCALE = '0x43ffe000u';

/**
 * `fn NAME(keyAt: u32, chunk: u32) -> vec4<u32>`: eight halves of the vector that begins `offset` units after the place of a key; pads of
 * groups are zeros. Codes stand for larger values than halves hold: those are 65,504, which only a scale of more than 65,504 / 128 makes.
 */
export function chunkFunction(name: string, part: CachedPart, offset: number): string {
  const head = `fn ${name}(first: u32, chunk: u32) -> vec4<u32> {\n  let at = first + ${offset}u;`;
  if (!isCodedKv(part.type)) return `${head}\n  return ${halvesText(part)};\n}`;
  // A word has the scales of two groups.
  const wordBits = part.unitBytes === 16 ? 2 : 1;
  return `${head}
  let scales = kv[at + ${codeUnits(part)}u + (chunk >> ${wordBits + 2}u)][(chunk >> 2u) & ${(1 << wordBits) - 1}u];
  let scaleBits = select(scales << 16u, scales & 0xffff0000u, (chunk & 2u) == 2u);
  let scale = bitcast<f32>(scaleBits);
${codesText(part)}
  var x = low * scale;
  var y = high * scale;
  let magnitude = scaleBits & 0x7fffffffu;
  if (magnitude > ${WIDEST_SCALE}) {
    if (magnitude > 0x7f800000u) { return vec4<u32>(0x7e007e00u); }
    x = clamp(x, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    y = clamp(y, vec4<f32>(-65504.0), vec4<f32>(65504.0));
  }
  return vec4<u32>(pack2x16float(x.xy), pack2x16float(x.zw), pack2x16float(y.xy), pack2x16float(y.zw));
}`;
}

export interface LoadedPart extends CachedPart {
  readonly name: string;
  readonly load: string;
  /** Units from the place of a key to the vector. */
  readonly offset: number;
}

/**
 * A group of codes as a kernel holds it that is not done with others yet: `struct NAME`, loaded by `fn LOAD(first, group)`. Nothing is
 * computed of what is loaded before it is used.
 */
export function groupFunctions({ name, load, offset, ...part }: LoadedPart): string {
  const { type, unitBytes } = part;
  const wordBits = unitBytes === 16 ? 2 : 1;
  const [element, codes] = type === 'q4'
    ? ['vec2<u32>', 'kv[at + group]']
    : ['vec4<u32>', unitBytes === 16 ? 'kv[at + group]' : 'vec4<u32>(kv[at + 2u * group], kv[at + 2u * group + 1u])'];
  return `struct ${name} { codes: ${element}, scales: u32 }
fn ${load}(first: u32, group: u32) -> ${name} {
  let at = first + ${offset}u;
  return ${name}(${codes}, kv[at + ${codeUnits(part)}u + (group >> ${wordBits + 1}u)][(group >> 1u) & ${(1 << wordBits) - 1}u]);
}`;
}

/** `groupScale`, `lowCodes`, `highCodes` and `byteCodes`: of a group that was loaded. */
export const GROUP_FUNCTIONS = `fn groupScale(scales: u32, group: u32) -> f32 {
  return bitcast<f32>(select(scales << 16u, scales & 0xffff0000u, (group & 1u) == 1u));
}
fn byteCodes(word: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(word)); }
fn lowCodes(word: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(word & 0x0f0f0f0fu)) - vec4<f32>(8.0); }
fn highCodes(word: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8((word >> 4u) & 0x0f0f0f0fu)) - vec4<f32>(8.0); }`;

/** WGSL expressions of the four quads of codes of a group, by its name. */
export function groupQuads(type: KvType, name: string): readonly string[] {
  if (type === 'q4') return ['x', 'y'].flatMap((word) => [`lowCodes(${name}.codes.${word})`, `highCodes(${name}.codes.${word})`]);
  return ['x', 'y', 'z', 'w'].map((word) => `byteCodes(${name}.codes.${word})`);
}

/** Values that one scale word is for. */
const SPAN = 32;

/** Spans of the longer one of a key and a value. */
export function codedSpans(dims: readonly number[]): number {
  return Math.ceil(Math.max(...dims) / SPAN);
}

/** `kvScale` and `kvCodes`, for the cache's writer. */
export const CODING_FUNCTIONS = `// The value of the largest magnitude of a group, as bits, its sign lowest.
fn kvExtreme(x: vec4<f32>, most: u32) -> u32 {
  let bits = bitcast<vec4<u32>>(x);
  let turned = (bits << vec4<u32>(1u)) | (bits >> vec4<u32>(31u));
  return max(max(max(turned.x, turned.y), max(turned.z, turned.w)), most);
}
// bf16 bits of a scale, NaN for what is not finite, 0 for what is too small.
fn kvScale(extreme: u32, levels: f32, hasSign: bool) -> u32 {
  if ((extreme >> 1u) >= 0x7f800000u) { return 0x7fc0u; }
  let bits = bitcast<u32>(bitcast<f32>(extreme >> 1u) * levels);
  let scale = (bits + 0xffffu) >> 16u;
  if ((scale << 16u) < 0x0d800000u) { return 0u; }
  return select(scale, scale | 0x8000u, hasSign && (extreme & 1u) == 0u);
}
// The codes of a quad, plus an offset, in the bytes of a word.
fn kvCodes(x: vec4<f32>, scale: u32, limits: vec2<i32>, offset: i32) -> u32 {
  var reciprocal = 0.0;
  if (scale != 0u && scale != 0x7fc0u) { reciprocal = 1.0 / bitcast<f32>(scale << 16u); }
  let codes = clamp(vec4<i32>(round(x * reciprocal)), vec4<i32>(limits.x), vec4<i32>(limits.y)) + vec4<i32>(offset);
  let bytes = bitcast<vec4<u32>>(codes) & vec4<u32>(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}`;

export interface WrittenPart extends CachedPart {
  readonly name: string;
  /** Units from the place of a key to the vector. */
  readonly offset: number;
  /** WGSL expression of a quad of the vector, `quad` being a u32 expression. */
  quad(quad: string): string;
}

/** Statements that store span `span` of a vector in a cache of words, `at` being the first of the key's place; of f16 by `cacheHalves`. */
export function spanText(part: WrittenPart): string {
  const { name, type, dim, unitBytes, offset } = part;
  const at = `at + ${(offset * unitBytes) / 4}u`;
  const quads = dim / 4;
  const quad = (n: number) => `  var ${name}${n} = vec4<f32>();
    if (span * 8u + ${n}u < ${quads}u) { ${name}${n} = ${part.quad(`(span * 8u + ${n}u)`)}; }`;
  const all = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `  ${quad(n)}`).join('\n');
  return `  if (span < ${Math.ceil(dim / SPAN)}u) {
${all}
${isCodedKv(type) ? codedSpanText(part, at) : floatSpanText(part, at)}
  }`;
}

function floatSpanText({ name, dim }: WrittenPart, at: string): string {
  const padded = Math.ceil(dim / 8) * 2;
  return [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `    if (span * 8u + ${n}u < ${padded}u) {
      let halves = cacheHalves(${name}${n});
      kv[${at} + span * 16u + ${2 * n}u] = halves.x;
      kv[${at} + span * 16u + ${2 * n + 1}u] = halves.y;
    }`).join('\n');
}

function codedSpanText({ name, type, dim }: WrittenPart, at: string): string {
  const { group } = KV_RECORDS[type];
  if (group === undefined) throw new Error(`${type} has no codes`);
  const isNibbles = type === 'q4';
  const groups = kvGroups(type, dim);
  const extreme = (g: number) => [0, 1, 2, 3].reduce((most, n) => `kvExtreme(${name}${4 * g + n}, ${most})`, '0u');
  const scale = (g: number) => `    let ${name}Scale${g} = kvScale(${extreme(g)}, ` +
    `${Math.fround(1 / group.levels)}f, ${group.codes === 'extreme'});`;
  const limits = `vec2<i32>(${-group.levels}, ${group.codes === 'extreme' ? group.levels - 1 : group.levels})`;
  const codes = (g: number, n: number) => `kvCodes(${name}${4 * g + n}, ${name}Scale${g}, ${limits}, ${isNibbles ? group.levels : 0})`;
  const words = (g: number) => (isNibbles
    ? [0, 1].map((w) => `${codes(g, 2 * w)} | (${codes(g, 2 * w + 1)} << 4u)`)
    : [0, 1, 2, 3].map((w) => codes(g, w)));
  const store = (g: number) => {
    const texts = words(g);
    const stores = texts.map((text, w) => `      kv[${at} + (span * 2u + ${g}u) * ${texts.length}u + ${w}u] = ${text};`).join('\n');
    return g === 0 || groups % 2 === 0 ? `    {\n${stores}\n    }` : `    if (span * 2u + ${g}u < ${groups}u) {\n${stores}\n    }`;
  };
  const scalesAt = (groups * 16 * KV_RECORDS[type].bits) / 32;
  return `${scale(0)}
${scale(1)}
${store(0)}
${store(1)}
    kv[${at} + ${scalesAt}u + span] = ${name}Scale0 | (${name}Scale1 << 16u);`;
}
