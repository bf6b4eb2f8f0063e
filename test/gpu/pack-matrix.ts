/** Packs file bytes into the planes of src/gpu/packed-layout.ts on the host, one code at a time: what kernels under test are fed with. */
import { INTERLEAVE_ROWS, layOutMatrix, packedFormatOf, planeBits, rowStride } from '../../src/gpu/packed-layout.ts';
import type { PackedBlocks, PlaneName } from '../../src/gpu/packed-layout.ts';
import type { LinearPartShape } from '../../src/gpu/linear-shape.ts';
import { bitOf } from '../../src/tensor/formats/decode-blocks.ts';
import { SCALE_BYTES } from '../../src/tensor/formats/scale-values.ts';
import type { BlockFormat, GroupScale } from '../../src/tensor/formats/weight-format.ts';
import { bytesOfElements, TENSOR_TYPES } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';

export type PackedPlanes = Partial<Record<PlaneName, Uint8Array>>;

/** Planes of one matrix, each as long as its range in the buffer (a multiple of 16 bytes). */
export function packMatrix(type: WeightType, rows: number, cols: number, fileBytes: Uint8Array): PackedPlanes {
  if (fileBytes.length !== bytesOfElements(type, rows * cols))
    throw new RangeError(`packMatrix: ${fileBytes.length} bytes are not ${type} [${rows}, ${cols}]`);
  const format = packedFormatOf(type);
  const planes: PackedPlanes = {};
  for (const { name, sizeBytes } of layOutMatrix(format, rows, cols).planes) planes[name] = new Uint8Array(sizeBytes);
  if (format.kind === 'blocks') packBlocks(format, fileBytes, planes);
  else {
    const rowBytes = bytesOfElements(type, cols);
    const stride = rowStride(format, cols) * TENSOR_TYPES[type].blockBytes;
    for (let row = 0; row < rows; row++) planes.values!.set(fileBytes.subarray(row * rowBytes, (row + 1) * rowBytes), row * stride);
  }
  return planes;
}

/** Planes of all parts of a product, under their binding names. */
export function packParts(parts: readonly LinearPartShape[], cols: number, fileBytes: readonly Uint8Array[]): Record<string, Uint8Array> {
  const buffers: Record<string, Uint8Array> = {};
  parts.forEach(({ type, rows }, n) => {
    const planes = packMatrix(type, rows, cols, fileBytes[n] as Uint8Array);
    for (const [name, bytes] of Object.entries(planes)) buffers[`p${n}_${name}`] = bytes;
  });
  return buffers;
}

/** Planes of gate and up, `rows` rows each (a multiple of 16), in one interleaved matrix of 2 * rows rows. */
export function packInterleaved(type: WeightType, gateBytes: Uint8Array, upBytes: Uint8Array, rows: number, cols: number): PackedPlanes {
  if (rows % INTERLEAVE_ROWS !== 0) throw new RangeError(`packInterleaved: ${rows} rows are not whole runs of ${INTERLEAVE_ROWS}`);
  return packMatrix(type, 2 * rows, cols, interleaveRows([gateBytes, upBytes], rows));
}

/** 16 rows of the first tensor, 16 of the second, and so on; `rows` of each. */
export function interleaveRows(tensors: readonly Uint8Array[], rows: number): Uint8Array {
  const rowBytes = tensors[0]!.length / rows;
  const pieces: Uint8Array[] = [];
  for (let row = 0; row < rows; row += INTERLEAVE_ROWS) {
    for (const bytes of tensors) pieces.push(bytes.subarray(row * rowBytes, Math.min(row + INTERLEAVE_ROWS, rows) * rowBytes));
  }
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

function packBlocks(format: PackedBlocks, fileBytes: Uint8Array, planes: PackedPlanes): void {
  const { layout } = format;
  const blocks = fileBytes.length / layout.blockBytes;
  for (let block = 0; block < blocks; block++) {
    const bytes = fileBytes.subarray(block * layout.blockBytes, (block + 1) * layout.blockBytes);
    for (let i = 0; i < layout.blockSize; i++) putCode(format, planes, block * layout.blockSize + i, codeOf(layout, bytes, i));
    packScales(format, bytes, block, planes);
  }
}

/** Rows are whole groups of 32, so an element's place follows from its number in the whole matrix. */
function putCode(format: PackedBlocks, planes: PackedPlanes, element: number, raw: number): void {
  const { codeBits, layout } = format;
  const hasZeroPoint = layout.code.kind === 'offset' && layout.code.zeroPoint !== 0;
  const code = hasZeroPoint ? raw ^ (1 << (codeBits - 1)) : raw;
  const { low, high } = planeBits(format);
  putBits(planes.codes!, low, element, code & (2 ** low - 1));
  if (high !== 0) putBits(planes.high!, high, element, code >> low);
}

/** Some bits of an element, in a plane of so many. */
function putBits(plane: Uint8Array, bits: 1 | 2 | 4 | 8, element: number, value: number): void {
  const group = Math.floor(element / 32);
  const j = element % 32;
  if (bits === 8) plane[element] = value;
  if (bits === 4) plane[group * 16 + (j % 16)]! |= value << (j < 16 ? 0 : 4);
  if (bits === 2) plane[group * 8 + (j < 16 ? 0 : 4) + (j % 4)]! |= value << (2 * Math.floor((j % 16) / 4));
  if (bits === 1) plane[group * 4 + (j % 4)]! |= value << Math.floor(j / 4);
}

function packScales({ scale: packing, layout }: PackedBlocks, bytes: Uint8Array, block: number, planes: PackedPlanes): void {
  const { scale, minimum } = layout;
  const floatOf = ({ format, offset }: GroupScale) => bytes.subarray(offset, offset + SCALE_BYTES[format]);
  const subs = (count: number) => {
    if (scale.levels !== 2) throw new Error(`${layout.name} has no sub-scales`);
    return bytes.subarray(scale.subOffset, scale.subOffset + count);
  };
  const bothFloats = Uint8Array.of(...floatOf(scale), ...(minimum ? floatOf(minimum.value) : [0, 0]));
  switch (packing) {
    case 'direct':
    case 'e8m0':
    case 'f32':
      return planes.scales!.set(floatOf(scale), block * SCALE_BYTES[scale.format]);
    case 'ue4m3':
      return planes.scales!.set(bytes.subarray(scale.offset, scale.offset + layout.groupsPerBlock), block * layout.groupsPerBlock);
    case 'pair':
      return planes.pairs!.set(bothFloats, block * bothFloats.length);
    case 'k4':
    case 'k3':
      return planes.metas!.set(Uint8Array.of(...bothFloats, ...subs(12)), block * 16);
    case 'xs':
      return planes.metas!.set(Uint8Array.of(...floatOf(scale), ...subs(6)), block * 8);
    case 'bytes':
      planes.subs!.set(subs(16), block * 16);
      return planes.scales!.set(floatOf(scale), block * 2);
    case 'nibbles':
      planes.subs!.set(subs(16), block * 16);
      return planes.pairs!.set(bothFloats, block * 4);
    default:
      throw new Error(`no packing for ${JSON.stringify(packing satisfies never)}`);
  }
}

function codeOf({ codePlanes, blockBytes }: BlockFormat, bytes: Uint8Array, index: number): number {
  let code = 0;
  for (const plane of codePlanes) {
    const bit = bitOf(plane, index);
    const byte = bit >> 3;
    const word = bytes[byte]! | ((byte + 1 < blockBytes ? bytes[byte + 1]! : 0) << 8);
    code |= ((word >> (bit & 7)) & (2 ** plane.bits - 1)) << plane.codeShift;
  }
  return code;
}
