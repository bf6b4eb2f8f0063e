/** Values of a packed matrix by the definition in src/gpu/packed-layout.ts, one element at a time. */
import { packedFormatOf, rowStride } from '../../src/gpu/packed-layout.ts';
import type { PackedBlocks } from '../../src/gpu/packed-layout.ts';
import { k4Minimum, k4Scale } from '../../src/tensor/codec/decode-rows.ts';
import { bf16ToF32, f16ToF32 } from '../../src/tensor/half.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import type { PackedPlanes } from './pack-matrix.ts';

/** f32 [rows, cols]. Throws where the padding of a float row is not zeros. */
export function unpackMatrix(type: WeightType, rows: number, cols: number, planes: PackedPlanes): Float32Array {
  const format = packedFormatOf(type);
  const out = new Float32Array(rows * cols);
  if (format.kind === 'blocks') {
    for (let i = 0; i < out.length; i++) out[i] = blockValue(format, planes, i);
    return out;
  }
  const stride = rowStride(format, cols);
  const view = new DataView(planes.values!.buffer, planes.values!.byteOffset, planes.values!.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < stride; col++) {
      const value = floatValue(format.type, view, row * stride + col);
      if (col < cols) out[row * cols + col] = value;
      else if (value !== 0) throw new Error(`unpackMatrix: ${type} row ${row} is padded with ${value} at column ${col}`);
    }
  }
  return out;
}

function floatValue(type: 'f32' | 'f16' | 'bf16', view: DataView, at: number): number {
  if (type === 'f32') return view.getFloat32(at * 4, true);
  const bits = view.getUint16(at * 2, true);
  return type === 'f16' ? f16ToF32(bits) : bf16ToF32(bits);
}

function halfAt(plane: Uint8Array, index: number): number {
  return f16ToF32(plane[2 * index]! | (plane[2 * index + 1]! << 8));
}

/** One rounding to f32, as the decoders of the file's blocks make it. */
function blockValue(format: PackedBlocks, planes: PackedPlanes, element: number): number {
  const code = codeOf(format, planes, element);
  const group = Math.floor(element / 32);
  const block = Math.floor(element / 256);
  switch (format.scale) {
    case 'direct':
      return Math.fround(halfAt(planes.scales!, group) * code);
    case 'k4': {
      const metas = planes.metas!;
      const scale = halfAt(metas, block * 8) * k4Scale(metas, block * 16 + 4, group % 8);
      const minimum = halfAt(metas, block * 8 + 1) * k4Minimum(metas, block * 16 + 4, group % 8);
      return Math.fround(scale * code - minimum);
    }
    case 'bytes': {
      const sub = (planes.subs![Math.floor(element / 16)]! << 24) >> 24;
      return Math.fround(halfAt(planes.scales!, block) * sub * code);
    }
    default:
      throw new Error(`no decoder for ${JSON.stringify(format.scale satisfies never)}`);
  }
}

function codeOf({ codeBits, signed }: PackedBlocks, planes: PackedPlanes, element: number): number {
  const group = Math.floor(element / 32);
  const j = element % 32;
  const half = j >> 4;
  let code = codeBits === 8 ? planes.codes![element]! : (planes.codes![group * 16 + (j % 16)]! >> (4 * half)) & 15;
  if (codeBits === 6) code |= ((planes.high![group * 8 + 4 * half + (j % 4)]! >> (2 * ((j % 16) >> 2))) & 3) << 4;
  return signed && code >= 1 << (codeBits - 1) ? code - (1 << codeBits) : code;
}
