/**
 * What the npm package of Moonshine holds, made again of the floats that were made of it: codes, scales and zero points in ONNX files under
 * the exporter's names, and packages as npm packs them. Writes protobuf and tar by itself, so that it can check those who read them.
 */
import { gzipSync } from 'node:zlib';
import type { FixtureTensor } from './fixture-tensors.ts';

type Bytes = Uint8Array<ArrayBuffer>;

export function join(parts: readonly Uint8Array[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

function varint(value: number): number[] {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** A field of bytes, or of a whole number. */
export function field(number: number, value: Uint8Array | string | number): Bytes {
  if (typeof value === 'number') return Uint8Array.from([...varint(number * 8), ...varint(value)]);
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return join([Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
}

/** Onnx's numbers of types. */
const DATA_TYPES = { f32: 1, u8: 2, i8: 3 } as const;

interface Initializer {
  readonly name: string;
  readonly type: keyof typeof DATA_TYPES;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** Puts values into the list of their type, in place of bytes. */
  readonly isTyped?: boolean;
}

export function initializer({ name, type, shape, values, isTyped = false }: Initializer): Bytes {
  const array = { f32: Float32Array, i8: Int8Array, u8: Uint8Array }[type];
  const raw = new Uint8Array(array.from(values).buffer);
  const data = !isTyped ? field(9, raw) : type === 'f32' ? field(4, raw) : field(5, Uint8Array.from(Array.from(values).flatMap(varint)));
  return field(5, join([...shape.map((size) => field(1, size)), field(2, DATA_TYPES[type]), field(8, name), data]));
}

export function node(name: string, inputs: readonly string[], graphs: readonly Uint8Array[] = []): Bytes {
  const attributes = graphs.map((graph) => field(5, join([field(1, 'branch'), field(6, graph)])));
  return field(1, join([...inputs.map((input) => field(1, input)), field(3, name), field(4, 'MatMulInteger'), ...attributes]));
}

export function onnxFile(graph: readonly Uint8Array[]): Bytes {
  return join([field(1, 10), field(2, 'test'), field(7, join(graph))]);
}

/** An archive as npm packs it. */
export function packed(files: ReadonlyMap<string, Uint8Array>): Bytes {
  const blocks: Uint8Array[] = [];
  for (const [name, bytes] of files) {
    const header = new Uint8Array(512);
    const put = (at: number, text: string): void => header.set(new TextEncoder().encode(text), at);
    put(0, name);
    put(124, bytes.length.toString(8).padStart(11, '0'));
    put(156, '0');
    put(257, 'ustar\0');
    blocks.push(header, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512));
  }
  return new Uint8Array(gzipSync(join([...blocks, new Uint8Array(1024)]), { level: 1 }));
}

/** Values of all halves. */
const HALVES = Float64Array.from({ length: 65_536 }, (_, bits) => {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
});

function halvesOf({ bytes }: FixtureTensor): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

/** Codes and the scale whose products round to the halves of a tensor, which were made so. */
function codesOf(tensor: FixtureTensor): { readonly codes: Int16Array; readonly scale: number; readonly least: number } {
  const halves = halvesOf(tensor);
  const present = new Uint8Array(65_536);
  for (const bits of halves) present[bits] = 1;
  const values = [...present.keys()].filter((bits) => present[bits] === 1);
  const step = Math.min(...values.map((bits) => Math.abs(HALVES[bits]!)).filter((value) => value > 0));
  let [low, high, least] = [0, Infinity, 0];
  const codeOf = new Int16Array(65_536);
  for (const bits of values) {
    const code = (codeOf[bits] = Math.round(HALVES[bits]! / step));
    least = Math.min(least, code);
    if (code === 0) continue;
    const magnitude = bits & 0x7fff;
    low = Math.max(low, (HALVES[magnitude]! + HALVES[magnitude - 1]!) / 2 / Math.abs(code));
    high = Math.min(high, (HALVES[magnitude]! + HALVES[magnitude + 1]!) / 2 / Math.abs(code));
  }
  if (!(low < high)) throw new Error('these halves were not made of codes with one scale');
  const codes = new Int16Array(halves.length);
  for (let i = 0; i < codes.length; i++) codes[i] = codeOf[halves[i]!]!;
  return { codes, scale: Math.fround((low + high) / 2), least };
}

function floats(tensor: FixtureTensor): number[] {
  return Array.from(halvesOf(tensor), (bits) => HALVES[bits]!);
}

const MODULES: readonly (readonly [RegExp, string])[] = [
  [/o_proj/, 'dense'], [/decoder(.*)fc1/, 'decoder$1up_proj'], [/decoder(.*)fc2/, 'decoder$1down_proj'],
];

/** The two files of the package, of the tensors of a folder of transformers. */
export function moonshineOnnx(tensors: ReadonlyMap<string, FixtureTensor>): { readonly encoder: Bytes; readonly decoder: Bytes } {
  const graphs = { encoder: [] as Uint8Array[], decoder: [] as Uint8Array[] };
  for (const [index, [name, tensor]] of [...tensors].entries()) {
    const side = name.startsWith('model.encoder') ? 'encoder' : 'decoder';
    const own = MODULES.reduce((text, [from, to]) => text.replace(from, to), name);
    const put = side === 'encoder' ? own.replace('model.encoder.', '') : `${own}_merged_0`;
    graphs[side].push(...initializersOf(put, tensor, { side, matrix: `onnx::MatMul_${index}${side === 'encoder' ? '' : '_merged_0'}` }));
  }
  // Nodes of the decoder lie within a branch.
  const isNode = (part: Uint8Array): boolean => part[0] === 8 + 2;
  const branch = join(graphs.decoder.filter(isNode));
  return {
    encoder: onnxFile(graphs.encoder),
    decoder: onnxFile([node('optimum::if', ['use_cache_branch'], [branch]), ...graphs.decoder.filter((part) => !isNode(part))]),
  };
}

interface Exported {
  readonly side: 'encoder' | 'decoder';
  /** What the exporter calls a matrix. */
  readonly matrix: string;
}

function initializersOf(name: string, tensor: FixtureTensor, { side, matrix }: Exported): Uint8Array[] {
  const { shape } = tensor;
  if (shape.length < 2) {
    const groupNorm = /^groupnorm\.(weight|bias)/.exec(name)?.[1];
    if (groupNorm === undefined) return [initializer({ name, type: 'f32', shape, values: floats(tensor) })];
    return [
      node(`/groupnorm/${groupNorm === 'weight' ? 'Mul' : 'Add'}`, ['/groupnorm/output', matrix]),
      initializer({ name: matrix, type: 'f32', shape: [...shape, 1], values: floats(tensor) }),
    ];
  }
  const { codes, scale, least } = codesOf(tensor);
  if (name.startsWith('conv')) {
    const zero = least + 128;
    return [
      initializer({ name: `${name}_quantized`, type: 'i8', shape, values: codes.map((code) => code - zero) }),
      initializer({ name: `${name}_scale`, type: 'f32', shape: [1], values: [scale] }),
      initializer({ name: `${name}_zero_point`, type: 'f32', shape: [1], values: [zero * scale] }),
    ];
  }
  const isTable = name.includes('embed_tokens');
  const [rows, columns] = shape as [number, number];
  const values = new Uint8Array(codes.length);
  for (let row = 0, i = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, i++) values[isTable ? i : column * rows + row] = codes[i]! - least;
  const as = isTable ? name : matrix;
  const module = `/${name.replace(/\.weight.*/, '').replaceAll('.', '/').replace(/layers\/(\d+)/, 'layers.$1')}/MatMul_quant`;
  return [
    ...(isTable ? [] : [node(module, [`${side}_input`, `${as}_quantized`, `${side}_input_zero_point`, `${as}_zero_point`])]),
    initializer({ name: `${as}_quantized`, type: 'u8', shape: isTable ? shape : [columns, rows], values }),
    initializer({ name: `${as}_scale`, type: 'f32', shape: [], values: [scale], isTyped: true }),
    initializer({ name: `${as}_zero_point`, type: 'u8', shape: [], values: [-least], isTyped: true }),
  ];
}
