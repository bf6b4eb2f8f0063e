/** Packs file bytes into the planes of src/gpu/packed-layout.ts on the host, one code at a time: what kernels under test are fed with. */
import { INTERLEAVE_ROWS, layOutMatrix, packedFormatOf, rowStride } from '../../src/gpu/packed-layout.ts';
import type { PackedBlocks, PlaneName } from '../../src/gpu/packed-layout.ts';
import type { LinearPartShape } from '../../src/gpu/linear-shape.ts';
import type { BlockLayout } from '../../src/tensor/quant-layout.ts';
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
function putCode({ codeBits, layout }: PackedBlocks, planes: PackedPlanes, element: number, raw: number): void {
  const code = layout.zeroPoint === 0 ? raw : raw ^ (1 << (codeBits - 1));
  const group = Math.floor(element / 32);
  const j = element % 32;
  if (codeBits === 8) {
    planes.codes![element] = code;
    return;
  }
  planes.codes![group * 16 + (j % 16)]! |= (code & 15) << (j < 16 ? 0 : 4);
  if (codeBits === 6) planes.high![group * 8 + (j < 16 ? 0 : 4) + (j % 4)]! |= (code >> 4) << (2 * Math.floor((j % 16) / 4));
}

function packScales({ scale }: PackedBlocks, bytes: Uint8Array, block: number, planes: PackedPlanes): void {
  if (scale === 'k4') {
    planes.metas!.set(bytes.subarray(0, 16), block * 16);
  } else if (scale === 'bytes') {
    planes.subs!.set(bytes.subarray(192, 208), block * 16);
    planes.scales!.set(bytes.subarray(208, 210), block * 2);
  } else {
    planes.scales!.set(bytes.subarray(0, 2), block * 2);
  }
}

function codeOf({ codePlanes }: BlockLayout, bytes: Uint8Array, index: number): number {
  let code = 0;
  for (const { bits, offset, run, codeShift } of codePlanes) {
    const chunk = (run * 8) / bits;
    const byte = offset + run * Math.floor(index / chunk) + (index % run);
    code |= ((bytes[byte]! >> (bits * Math.floor((index % chunk) / run))) & ((1 << bits) - 1)) << codeShift;
  }
  return code;
}
