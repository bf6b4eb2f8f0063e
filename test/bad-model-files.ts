/** Damaged and hostile model files, with the error that each must give. */
import { array, ggufBytes, safetensorsBytes, smallGguf, smallSafetensors, text, u32 } from './model-bytes.ts';
import type { GgufTensor } from './model-bytes.ts';

export interface BadFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the message of the FormatError must match. */
  readonly pattern: RegExp;
}

const arch = ['general.architecture', text('llama')] as const;

function f32Tensor(name: string, offset: number | bigint, dims: readonly (number | bigint)[] = [8]): GgufTensor {
  return { name, dims, typeId: 0, offset };
}

/** Offset of what follows a text's first occurrence. */
function after(bytes: Uint8Array, found: string): number {
  return new TextDecoder('latin1').decode(bytes).indexOf(found) + found.length;
}

function unknownValueType(id: number): BadFile {
  const bytes = ggufBytes({ metadata: [arch, ['odd', u32(0)]] });
  new DataView(bytes.buffer).setUint32(after(bytes, 'odd'), id, true);
  return { name: `value type ${id}`, bytes, pattern: new RegExp(`"odd" has the value type ${id}`) };
}

type ItemType = 'u8' | 'string' | 'array' | 'bool' | 'u64';

/** A file whose array of no items says that it has `count`. */
export function lyingArray(item: ItemType, count: number | bigint): Uint8Array {
  const bytes = ggufBytes({ metadata: [arch, ['odd', array(item, [])]] });
  // The key is followed by the value's type and the items' type.
  new DataView(bytes.buffer).setBigUint64(after(bytes, 'odd') + 8, BigInt(count), true);
  return bytes;
}

function lyingArrays(): BadFile[] {
  const counts = [10_000, 2 ** 40, 2n ** 63n, 2n ** 64n - 1n];
  return (['u8', 'string', 'array', 'bool', 'u64'] as const).flatMap((item) =>
    counts.map((count) => ({
      name: `array of ${count} ${item} that are not there`,
      bytes: lyingArray(item, count),
      pattern: /"odd".*more than any file|ends early.*"odd"/,
    })),
  );
}

function lyingString(length: number | bigint): BadFile {
  const bytes = ggufBytes({ metadata: [arch, ['odd', text('')]] });
  new DataView(bytes.buffer).setBigUint64(after(bytes, 'odd') + 4, BigInt(length), true);
  return { name: `string of ${length} bytes that are not there`, bytes, pattern: /"odd".*more than any file|ends early.*"odd"/ };
}

function deepArray(): Uint8Array {
  let value = array('u8', [1]);
  for (let depth = 0; depth < 1000; depth++) value = array('array', [value]);
  return ggufBytes({ metadata: [arch, ['deep', value]] });
}

/** A cut in each section of a sound file. */
function truncated(): BadFile[] {
  const bytes = smallGguf();
  const cuts = {
    magic: 2,
    version: 6,
    counts: 12,
    'first key': 30,
    tokens: after(bytes, 'hello'),
    'tensor table': after(bytes, 'output_norm'),
    padding: bytes.length - 513,
    data: bytes.length - 1,
  };
  return Object.entries(cuts).map(([name, end]) => ({
    name: `truncated in ${name}`,
    bytes: bytes.slice(0, end),
    pattern: /damaged or incomplete/,
  }));
}

const ggufTable: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['empty', new Uint8Array(0), /ends early/],
  ['other magic', ggufBytes({ magic: 'GGML' }), /not a GGUF file.*47474d4c|not a GGUF file/],
  ['version 1', ggufBytes({ version: 1 }), /version 1; only version 3.*current converter/],
  ['version 2', ggufBytes({ version: 2 }), /version 2; only version 3.*current converter/],
  ['version 4', ggufBytes({ version: 4 }), /version 4; only version 3.*newer release/],
  ['big-endian', ggufBytes({ version: 0x03000000 }), /big-endian/],
  ['2^63 tensors', ggufBytes({ tensorCount: 2n ** 63n }), /count of tensors.*9223372036854775808/],
  ['2^40 tensors', ggufBytes({ tensorCount: 2n ** 40n }), /1099511627776 tensors/],
  ['2^63 keys', ggufBytes({ keyCount: 2n ** 63n }), /count of keys.*9223372036854775808/],
  ['2^40 keys', ggufBytes({ keyCount: 2n ** 40n }), /1099511627776 keys/],
  ['no architecture', ggufBytes({ metadata: [] }), /no general.architecture/],
  ['architecture of another type', ggufBytes({ metadata: [['general.architecture', u32(3)]] }), /must be a string, found number 3/],
  ['key twice', ggufBytes({ metadata: [arch, ['k', u32(1)], ['k', u32(1)]] }), /"k" occurs twice/],
  ['invalid UTF-8 key', ggufBytes({ metadata: [arch, [new Uint8Array([0xff]), u32(1)]] }), /not valid UTF-8/],
  ['boolean 2', ggufBytes({ metadata: [arch, ['k', { type: 'bool', value: 2 }]] }), /"k" is a boolean.*found 2/],
  ['boolean 7 in an array', ggufBytes({ metadata: [arch, ['k', array('bool', [7])]] }), /"k" is a boolean.*found 7/],
  ['alignment 0', ggufBytes({ metadata: [arch, ['general.alignment', u32(0)]] }), /power of two.*found 0/],
  ['alignment 48', ggufBytes({ metadata: [arch, ['general.alignment', u32(48)]] }), /power of two.*found 48/],
  ['tensor twice', ggufBytes({ tensors: [f32Tensor('t', 0), f32Tensor('t', 32)], data: new Uint8Array(64) }), /"t" occurs twice/],
  ['overlap', ggufBytes({ tensors: [f32Tensor('a', 0, [16]), f32Tensor('b', 32)], data: new Uint8Array(64) }), /"a" and "b" overlap/],
  ['same offset', ggufBytes({ tensors: [f32Tensor('a', 0), f32Tensor('b', 0)], data: new Uint8Array(64) }), /overlap/],
  ['out of range', ggufBytes({ tensors: [f32Tensor('a', 32)], data: new Uint8Array(32) }), /"a" should take bytes \d+ to \d+/],
  ['far out of range', ggufBytes({ tensors: [f32Tensor('a', 2n ** 52n)], data: new Uint8Array(32) }), /"a" should take/],
  ['offset 2^63', ggufBytes({ tensors: [f32Tensor('a', 2n ** 63n)] }), /offset of.*"a".*9223372036854775808/],
  ['unaligned offset', ggufBytes({ tensors: [f32Tensor('a', 4)], data: new Uint8Array(64) }), /not a multiple of the alignment 32/],
  ['dimension 2^63', ggufBytes({ tensors: [f32Tensor('a', 0, [2n ** 63n])] }), /dimension of.*"a"/],
  ['dimensions beyond 2^53', ggufBytes({ tensors: [f32Tensor('a', 0, [2 ** 30, 2 ** 30])] }), /absurd shape \[1073741824, 1073741824\]/],
  ['dimension 0', ggufBytes({ tensors: [f32Tensor('a', 0, [8, 0])] }), /absurd shape \[0, 8\]/],
  ['five dimensions', ggufBytes({ tensors: [f32Tensor('a', 0, [1, 1, 1, 1, 1])] }), /"a" has 5 dimensions/],
  ['removed type', ggufBytes({ tensors: [{ name: 'odd', dims: [32], typeId: 4, offset: 0 }] }), /"odd" has the type with ggml id 4/],
  ['unknown type', ggufBytes({ tensors: [{ name: 'odd', dims: [32], typeId: 4242, offset: 0 }] }), /"odd" has the type with ggml id 4242/],
  [
    'part of a block',
    ggufBytes({ tensors: [{ name: 'q', dims: [16, 2], typeId: 8, offset: 0 }], data: new Uint8Array(34) }),
    /rows of 16 elements.*32/,
  ],
  ['arrays nested deeper than four', deepArray(), /"deep" nests arrays more than 4 deep/],
];

export const badGgufFiles: readonly BadFile[] = [
  ...ggufTable.map(([name, bytes, pattern]) => ({ name, bytes, pattern })),
  ...[13, 4242, 2 ** 32 - 1].map(unknownValueType),
  ...[10_000, 2 ** 40, 2n ** 63n, 2n ** 64n - 1n].map(lyingString),
  ...lyingArrays(),
  ...truncated(),
];

const f32 = (begin: number, end: number, changes: object = {}) => ({
  dtype: 'F32',
  shape: [(end - begin) / 4],
  data_offsets: [begin, end],
  ...changes,
});
const ofOne = (changes: object) => safetensorsBytes({ t: f32(0, 8, changes) }, new Uint8Array(8));

const safetensorsTable: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['empty', new Uint8Array(0), /has only 0 bytes/],
  ['header length 2^63', safetensorsBytes({}, new Uint8Array(0), 2n ** 63n), /should take 9223372036854775808 bytes/],
  ['header longer than the file', safetensorsBytes({}, new Uint8Array(0), 3n), /should take 3 bytes/],
  ['header length 0', safetensorsBytes({}, new Uint8Array(0), 0n), /not valid JSON/],
  ['header cut inside', safetensorsBytes({ t: f32(0, 8) }, new Uint8Array(8), 20n), /not valid JSON/],
  ['not JSON', safetensorsBytes('hello', new Uint8Array(0)), /not valid JSON/],
  ['not UTF-8', safetensorsBytes('xx', new Uint8Array(0)).fill(0xff, 8), /not valid UTF-8/],
  ['an array', safetensorsBytes([], new Uint8Array(0)), /must be a JSON object, found an array/],
  ['deep JSON', safetensorsBytes('['.repeat(200_000), new Uint8Array(0)), /not valid JSON/],
  ['a tensor that is a number', safetensorsBytes({ t: 3 }, new Uint8Array(0)), /"t" must be described/],
  ['unknown dtype', ofOne({ dtype: 'C64' }), /"t" has the dtype "C64"; known are F64/],
  ['no dtype', ofOne({ dtype: undefined }), /"t" has no dtype/],
  ['negative dim', ofOne({ shape: [-2] }), /"t" must have a shape/],
  ['fractional dim', ofOne({ shape: [1.5] }), /"t" must have a shape/],
  ['dim beyond 2^53', ofOne({ shape: [1e300] }), /"t" must have a shape/],
  ['elements beyond 2^53', ofOne({ shape: [2 ** 40, 2 ** 40] }), /needs more than 2\^53 bytes/],
  ['seventeen dims', ofOne({ shape: Array.from({ length: 17 }, () => 1) }), /at most 16/],
  ['shape of another size', ofOne({ shape: [3] }), /\[3\] needs 12 bytes.*span 8/],
  ['offsets reversed', ofOne({ data_offsets: [8, 0] }), /data_offsets \[begin, end\]/],
  ['three offsets', ofOne({ data_offsets: [0, 8, 8] }), /data_offsets \[begin, end\]/],
  ['out of range', safetensorsBytes({ t: f32(0, 16) }, new Uint8Array(8)), /"t" should take bytes/],
  ['overlap', safetensorsBytes({ a: f32(0, 8), b: f32(4, 12) }, new Uint8Array(12)), /"a" and "b" overlap/],
  ['a gap', safetensorsBytes({ a: f32(0, 8), b: f32(12, 16) }, new Uint8Array(16)), /expected tensor "b"/],
  ['bytes after the last tensor', safetensorsBytes({ a: f32(0, 8) }, new Uint8Array(9)), /tensors end at/],
  ['truncated in the header', smallSafetensors().slice(0, 40), /the header should take/],
  ['truncated in the data', smallSafetensors().slice(0, -1), /"lm_head.weight" should take bytes/],
];

export const badSafetensorsFiles: readonly BadFile[] = safetensorsTable.map(([name, bytes, pattern]) => ({ name, bytes, pattern }));
