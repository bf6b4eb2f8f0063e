/**
 * Attention as its kernels see it: where q, k and v of a row lie, what is done to them first, and the paged key/value cache.
 * Heads are read four values (a quad) at a time, so keyDim and valueDim are multiples of 4.
 */
import { describeKvTypes, isCodedKv, kvGroups } from '../graph/kv-types.ts';
import type { KvType, KvTypes } from '../graph/kv-types.ts';
import type { ScoreShape } from './attention-scores.ts';
import { chunkFunction, unitBytesOf, vectorUnits } from './coded-cache.ts';
import type { CachedPart } from './coded-cache.ts';
import type { Binding } from './kernel.ts';
import { q8Bindings } from './linear-shape.ts';
import { Q8_BLOCK } from './q8-layout.ts';
import { cacheHalves } from './wgsl/cache-halves.ts';
import { q8EpilogueFunctions } from './wgsl/q8-epilogue.ts';
import { headPreparationFunctions } from './wgsl/head-preparation.ts';

/** RMS norm of each head. */
export interface HeadNormShape {
  readonly eps: number;
  /** Set where the gain is 1. Else it is the binding `qGain` or `kGain`, f32 [keyDim]. */
  readonly ungained?: true | undefined;
}

/** What happens to the heads of q or k before they are used: RMS norm of each head, then rotation. */
export interface HeadPreparationShape {
  readonly norm?: HeadNormShape | undefined;
  /** Values of a head that turn, an even number; 0: none. Binding `rope`. */
  readonly rotaryDim: number;
}

export interface AttentionShape extends ScoreShape {
  readonly heads: number;
  readonly kvHeads: number;
  /** Width of a head's query and key, and of its value. */
  readonly keyDim: number;
  readonly valueDim: number;
  /** Type of keys and values in the cache. */
  readonly kv: KvType;
  /** Of values, where it is not that of keys. */
  readonly valueKv?: KvType | undefined;
  /** What makes f16 of new keys and values (wgsl/cache-halves.ts); absent: their bits. */
  readonly halves?: 'device' | undefined;
  /**
   * Set where keys and values are those of one run, in no cache: row by row, of each head the key and then the value, each in whole
   * matrices ({@link DENSE_WIDTH}). There are no pages, and no rows of other sequences.
   */
  readonly dense?: true | undefined;
  /** Positions of a page. */
  readonly pageTokens: number;
  /** Row length of `pageTable`. */
  readonly maxPages: number;
  /**
   * `joined`: binding `qkv`, f32 [rows][q | k | v]. `separate`: bindings `q`, `k`, `v`. `queries`: binding `q` alone, as the keys and
   * values of the rows are in the cache already (those of another layer); then `k` says nothing, and there is no `v`.
   */
  readonly input: 'joined' | 'separate' | 'queries';
  readonly q: HeadPreparationShape;
  readonly k: HeadPreparationShape;
  /** Set where rows turn by other positions than those at which they are kept: binding `shift`, [rows], what is added to them. */
  readonly shifted?: true | undefined;
  /** The joined rows end in a gate for each value of the result, which its sigmoid multiplies: [q | k | v | gate]. */
  readonly gated?: true | undefined;
  /** Set where the heads of v are normed before they are stored, without a gain. */
  readonly v?: { readonly norm: { readonly eps: number } } | undefined;
  /** `f32`: binding `y`, f32 [rows][heads * valueDim]. `q8`: bindings `yCodes` and `yStats`; wants valueDim to be a multiple of 16. */
  readonly output: 'f32' | 'q8';
}

/** Width of a head, for labels: `128`, or `192+128` for keys and values of different widths. */
export function widthsText({ keyDim, valueDim }: Pick<AttentionShape, 'keyDim' | 'valueDim'>): string {
  return keyDim === valueDim ? `${keyDim}` : `${keyDim}+${valueDim}`;
}

/** The types of a layout: of values, only where they differ, so that kernels of one type keep their keys. */
export function cacheTypes({ type, valueType }: KvTypes): Pick<AttentionShape, 'kv' | 'valueKv'> {
  return valueType === undefined || valueType === type ? { kv: type } : { kv: type, valueKv: valueType };
}

/** Types of the cache, for labels: `f16`, `q8/q4`. */
export function kvText({ kv, valueKv }: Pick<AttentionShape, 'kv' | 'valueKv'>): string {
  return describeKvTypes({ type: kv, valueType: valueKv });
}

/** Heads and widths, for labels: `32/8, 128`. */
export function headsText(shape: Pick<AttentionShape, 'heads' | 'kvHeads' | 'keyDim' | 'valueDim'>): string {
  return `${shape.heads}/${shape.kvHeads}, ${widthsText(shape)}`;
}

/** Keys and values that are in no cache end in zeros up to a multiple of this: the depth of a matrix of halves, two of floats. */
export const DENSE_WIDTH = 16;

/** Width of a head's key or value where it lies. */
export function keptWidth({ dense }: Pick<AttentionShape, 'dense'>, dim: number): number {
  return dense ? Math.ceil(dim / DENSE_WIDTH) * DENSE_WIDTH : dim;
}

/** Sizes that follow from a shape. A chunk is what the cache is read by: 16 bytes, 8 values of f16 (codes become these) or 4 of f32. */
export interface AttentionSizes {
  /** Query heads that read one key head. */
  readonly group: number;
  readonly key: HeadSizes;
  readonly value: HeadSizes;
  readonly quadsOfChunk: 1 | 2;
  /** Chunks of the longer one of key and value. */
  readonly mostChunks: number;
}

/** Of one head's key, or of its value. */
export interface HeadSizes {
  readonly quads: number;
  /** Quads with the pad that the cache has. */
  readonly paddedQuads: number;
  readonly chunks: number;
  /** Elements of the cache that it takes: chunks, or units of a cache with codes. */
  readonly units: number;
}

export function attentionSizes(shape: AttentionShape): AttentionSizes {
  const { heads, kvHeads, keyDim, valueDim, kv, output } = shape;
  for (const [name, dim] of [['keyDim', keyDim], ['valueDim', valueDim]] as const)
    if (dim % 4 !== 0) throw new Error(`attention: ${name} is ${dim}, which is not a multiple of 4`);
  if (heads % kvHeads !== 0) throw new Error(`attention: ${heads} heads do not share ${kvHeads} key heads evenly`);
  if (output === 'q8' && valueDim % Q8_BLOCK !== 0)
    throw new Error(`attention: valueDim is ${valueDim}; a q8 output wants a multiple of ${Q8_BLOCK}`);
  for (const { rotaryDim } of [shape.q, shape.k]) {
    if (rotaryDim % 2 !== 0 || rotaryDim > keyDim) throw new Error(`attention: rotaryDim is ${rotaryDim}, keyDim ${keyDim}`);
  }
  if (shape.q.rotaryDim > 0 && shape.k.rotaryDim > 0 && shape.q.rotaryDim !== shape.k.rotaryDim)
    throw new Error('attention: q and k read one rope table, but their rotaryDim differs');
  const quadsOfChunk = kv === 'f32' ? 1 : 2;
  const sizesOf = (dim: number, part: 'key' | 'value'): HeadSizes => {
    const own = hasCodes(shape) ? cachedPart(shape, part) : undefined;
    // Whole groups of codes, as lanes that have a group each want them.
    const chunks = own && isCodedKv(own.type) ? 2 * kvGroups(own.type, dim) : Math.ceil(keptWidth(shape, dim) / (4 * quadsOfChunk));
    return { quads: dim / 4, paddedQuads: chunks * quadsOfChunk, chunks, units: own === undefined ? chunks : vectorUnits(own) };
  };
  const [key, value] = [sizesOf(keyDim, 'key'), sizesOf(valueDim, 'value')];
  return { group: heads / kvHeads, key, value, quadsOfChunk, mostChunks: Math.max(key.chunks, value.chunks) };
}

/** Whether keys or values of the cache are codes (coded-cache.ts). */
export function hasCodes({ kv, valueKv = kv }: Pick<AttentionShape, 'kv' | 'valueKv'>): boolean {
  return isCodedKv(kv) || isCodedKv(valueKv);
}

/** Keys or values of a cache with codes. */
export function cachedPart({ kv, valueKv = kv, keyDim, valueDim }: AttentionShape, part: 'key' | 'value'): CachedPart {
  const unitBytes = unitBytesOf([kv, valueKv]);
  return part === 'key' ? { type: kv, dim: keyDim, unitBytes } : { type: valueKv, dim: valueDim, unitBytes };
}

/** Whether attention of single rows stores their own key and value. kv-write stores codes before it, and another layer its own. */
export function bringsKeys(shape: AttentionShape): boolean {
  return shape.input !== 'queries' && !hasCodes(shape);
}

export type HeadInput = 'q' | 'k' | 'v';

/** Of the inputs that a kernel reads, those that the shape has. */
function inputsOf({ input }: AttentionShape, used: readonly HeadInput[]): readonly HeadInput[] {
  return input === 'queries' ? used.filter((name) => name === 'q') : used;
}

/** Bindings for the inputs that a kernel reads, and for preparing q and k among them. */
export function headBindings(shape: AttentionShape, used: readonly HeadInput[]): readonly Binding[] {
  const read = (name: string, type = 'array<vec4<f32>>'): Binding => ({ name, access: 'read', type });
  const inputs = inputsOf(shape, used);
  const prepared = (['q', 'k'] as const).filter((name) => inputs.includes(name));
  const rotated = prepared.find((name) => shape[name].rotaryDim > 0);
  const gained = prepared.filter((name) => shape[name].norm !== undefined && !shape[name].norm?.ungained);
  return [
    ...(shape.input === 'joined' ? [read('qkv')] : inputs.map((name) => read(name))),
    ...(rotated === undefined ? [] : [read('rope', 'array<vec2<f32>>')]),
    ...(rotated === undefined || !shape.shifted ? [] : [u32s('shift')]),
    ...gained.map((name) => read(`${name}Gain`)),
  ];
}

/** WGSL expression of what a row turns by, given those of its position and of its number in the step. */
export function turnOf({ shifted }: AttentionShape, position: string, row: string): string {
  return shifted ? `(${position} + shift[${row}])` : position;
}

/** The binding that holds an input. */
export function headSource(shape: AttentionShape, name: HeadInput): string {
  return shape.input === 'joined' ? 'qkv' : name;
}

/** WGSL expression of the first quad of a head of an input, `row` and `head` being u32 expressions. */
export function headQuadAt(
  shape: AttentionShape,
  { name, row, head }: { readonly name: HeadInput | 'gate'; readonly row: string; readonly head: string },
): string {
  const { heads, kvHeads, input, keyDim, valueDim, gated } = shape;
  const { key: { quads }, value } = attentionSizes(shape);
  if (keyDim !== valueDim) {
    const own = name === 'v' || name === 'gate' ? value.quads : quads;
    if (input !== 'joined') return `(${row} * ${name === 'q' ? heads : kvHeads}u + ${head}) * ${own}u`;
    // [heads queries | kvHeads keys | kvHeads values | heads gates], in quads.
    const ofHeads = (heads + kvHeads) * quads;
    const first = { q: 0, k: heads * quads, v: ofHeads, gate: ofHeads + kvHeads * value.quads }[name];
    return `(${row} * ${ofHeads + (kvHeads + (gated ? heads : 0)) * value.quads}u + ${first}u + ${head} * ${own}u)`;
  }
  const before = { q: 0, k: heads, v: heads + kvHeads, gate: heads + 2 * kvHeads }[name];
  const width = input === 'joined' ? (gated ? 2 : 1) * heads + 2 * kvHeads : name === 'q' ? heads : kvHeads;
  const offset = input === 'joined' && before > 0 ? ` + ${before}u` : '';
  return `(${row} * ${width}u + ${head}${offset}) * ${quads}u`;
}

/** WGSL expression of a quad of a head's result, times the sigmoid of its gate where there is one. */
export function gatedQuad(
  shape: AttentionShape | { readonly gated?: undefined },
  quad: string,
  place: { readonly row: string; readonly head: string; readonly quad: string },
): string {
  if (!shape.gated) return quad;
  const gate = `qkv[${headQuadAt(shape, { name: 'gate', ...place })} + ${place.quad}]`;
  return `${quad} / (vec4<f32>(1.0) + exp(min(-${gate}, vec4<f32>(80.0))))`;
}

/** `qQuad`, `kQuad` and, where there is a norm, `qFactor`, `kFactor` (wgsl/head-preparation.ts); `vQuad` and `vFactor` where v has one. */
export function headFunctions(shape: AttentionShape, used: readonly HeadInput[]): string {
  return inputsOf(shape, used)
    .flatMap((name) => {
      const source = headSource(shape, name);
      if (name !== 'v') return [headPreparationFunctions({ ...shape[name], name, source, headDim: shape.keyDim })];
      const norm = shape.v && { ...shape.v.norm, ungained: true as const };
      return norm ? [headPreparationFunctions({ name, source, headDim: shape.valueDim, norm, rotaryDim: 0 })] : [];
    })
    .join('\n');
}

const u32s = (name: string): Binding => ({ name, access: 'read', type: 'array<u32>' });

export const PAGE_TABLE: Binding = u32s('pageTable');

/** Where the rows of a step are. */
export const ROW_BINDINGS: readonly Binding[] = [u32s('positions'), u32s('rowSequence'), PAGE_TABLE];

export function kvBinding(shape: AttentionShape, access: 'read' | 'write'): Binding {
  const isOfPairs = hasCodes(shape) && cachedPart(shape, 'key').unitBytes === 8;
  return { name: 'kv', access, type: isOfPairs ? 'array<vec2<u32>>' : `array<${kvElement(shape)}>` };
}

/** WGSL type of a chunk of the cache. */
export function kvElement({ kv }: AttentionShape): string {
  return kv === 'f32' ? 'vec4<f32>' : 'vec4<u32>';
}

/** WGSL expression of a chunk of a key or value: `plain`, unless it is made of codes. `at` is the place of the key. */
export function cacheChunk(
  shape: AttentionShape,
  part: 'key' | 'value',
  { at, chunk, plain }: { readonly at: string; readonly chunk: string; readonly plain: string },
): string {
  if (!hasCodes(shape)) return plain;
  return `${part === 'key' ? 'keyChunk' : 'valueChunk'}(${at}, ${chunk})`;
}

/** WGSL expression `value / divisor` for a u32, as a shift where it is one. */
export function dividedBy(value: string, divisor: number): string {
  const shift = Math.log2(divisor);
  return Number.isInteger(shift) ? `(${value} >> ${shift}u)` : `(${value} / ${divisor}u)`;
}

/** WGSL expression `value % divisor` for a u32, as a mask where it is one. */
export function remainderOf(value: string, divisor: number): string {
  return Number.isInteger(Math.log2(divisor)) ? `(${value} & ${divisor - 1}u)` : `(${value} % ${divisor}u)`;
}

/**
 * Elements of the cache from a position's key to its value. Of a page the keys of all heads come first, then the values of all heads;
 * where their sizes differ, or there are no pages, the value lies beside its key, so that both are found from one place.
 */
export function valuesAfterKeys(shape: AttentionShape): number {
  const { key, value } = attentionSizes(shape);
  return !shape.dense && key.units === value.units ? shape.kvHeads * shape.pageTokens * key.units : key.units;
}

/**
 * `fn keyAt(sequence, kvHead, position) -> u32`: the first element of a key; its value is {@link valuesAfterKeys} later. It is made of
 * `pageOf(sequence, position)` and `keyInPage(page, kvHead, position)`, for kernels that look a page up for several keys. For f16 also
 * `kvLow` and `kvHigh`, the two quads of a chunk; for codes {@link cacheChunk}'s functions.
 */
export function kvFunctions(shape: AttentionShape): string {
  const at = placeFunctions(shape);
  if (shape.kv === 'f32') return at;
  const parts = hasCodes(shape)
    ? `
${chunkFunction('keyChunk', cachedPart(shape, 'key'), 0)}
${chunkFunction('valueChunk', cachedPart(shape, 'value'), valuesAfterKeys(shape))}`
    : '';
  return `${at}${parts}
fn kvLow(chunk: vec4<u32>) -> vec4<f32> { return vec4<f32>(unpack2x16float(chunk.x), unpack2x16float(chunk.y)); }
fn kvHigh(chunk: vec4<u32>) -> vec4<f32> { return vec4<f32>(unpack2x16float(chunk.z), unpack2x16float(chunk.w)); }`;
}

/** Of {@link kvFunctions} those that say where keys lie. */
export function placeFunctions(shape: AttentionShape): string {
  const { kvHeads, pageTokens, maxPages } = shape;
  const { key, value } = attentionSizes(shape);
  const keyAt = 'fn keyAt(sequence: u32, kvHead: u32, position: u32) -> u32';
  if (shape.dense) return `${keyAt} { return (position * ${kvHeads}u + kvHead) * ${key.units + value.units}u; }`;
  // [pages][keys, values][kvHeads][pageTokens][units], or [pages][kvHeads][pageTokens][units of a key, units of its value].
  const [heads, chunks] = key.units === value.units ? [2 * kvHeads, key.units] : [kvHeads, key.units + value.units];
  const page = `pageTable[sequence * ${maxPages}u + ${dividedBy('position', pageTokens)}]`;
  return `fn pageOf(sequence: u32, position: u32) -> u32 { return ${page}; }
fn keyInPage(page: u32, kvHead: u32, position: u32) -> u32 {
  return ((page * ${heads}u + kvHead) * ${pageTokens}u + ${remainderOf('position', pageTokens)}) * ${chunks}u;
}
${keyAt} { return keyInPage(pageOf(sequence, position), kvHead, position); }`;
}

/** `fn kvRounded(quad) -> vec4<f32>`: a quad as the cache will hold it; of f16 with what {@link chunkOf} calls. */
export function kvRounding({ kv, halves }: AttentionShape): string {
  if (kv === 'f32') return 'fn kvRounded(quad: vec4<f32>) -> vec4<f32> { return quad; }';
  return `${cacheHalves(halves)}
fn kvRounded(quad: vec4<f32>) -> vec4<f32> {
  let halves = cacheHalves(quad);
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}`;
}

/** WGSL expressions of the quads of a chunk, given an expression without side effects. */
export function chunkQuads({ kv }: AttentionShape, chunk: string): readonly string[] {
  return kv === 'f32' ? [chunk] : [`kvLow(${chunk})`, `kvHigh(${chunk})`];
}

/** WGSL expression of a chunk made of quads; of f16 it calls {@link cacheHalves}'s function. */
export function chunkOf({ kv }: AttentionShape, quads: readonly string[]): string {
  if (kv === 'f32') return quads[0] as string;
  return `vec4<u32>(${quads.map((quad) => `cacheHalves(${quad})`).join(', ')})`;
}

/** Bindings of the result. */
export function attentionOutputBindings({ output }: Pick<AttentionShape, 'output'>): readonly Binding[] {
  return output === 'q8' ? q8Bindings('y', 'write') : [{ name: 'y', access: 'write', type: 'array<vec4<f32>>' }];
}

export function attentionOutputFunctions({ heads, valueDim, output }: Pick<AttentionShape, 'heads' | 'valueDim' | 'output'>): string {
  return output === 'q8' ? q8EpilogueFunctions({ name: 'y', width: heads * valueDim, norm: undefined }) : '';
}
