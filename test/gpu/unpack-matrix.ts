/** Values of a packed matrix by the definition in src/gpu/packed-layout.ts, one element at a time. */
import { packedFormatOf, planeBits, rowStride } from '../../src/gpu/packed-layout.ts';
import type { PackedBlocks } from '../../src/gpu/packed-layout.ts';
import { readScale, SCALE_BYTES } from '../../src/tensor/formats/scale-values.ts';
import { SUB_SCALES } from '../../src/tensor/formats/sub-scales.ts';
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
  const { scale, minimum } = scaleOf(format, planes, element);
  return Math.fround(minimum === undefined ? scale * code : scale * code - minimum);
}

interface Scale {
  readonly scale: number;
  readonly minimum?: number | undefined;
}

/** Of the group that an element belongs to. */
function scaleOf({ scale: packing, layout }: PackedBlocks, planes: PackedPlanes, element: number): Scale {
  const { format } = layout.scale;
  const group = Math.floor(element / layout.groupSize);
  const block = Math.floor(element / 256);
  const own = group % layout.groupsPerBlock;
  switch (packing) {
    case 'direct':
    case 'e8m0':
    case 'ue4m3':
    case 'f32':
      return { scale: readScale(format, planes.scales!, group * SCALE_BYTES[format]) };
    case 'pair': {
      const at = group * 2 * SCALE_BYTES[format];
      const [scale, second] = [readScale(format, planes.pairs!, at), readScale(format, planes.pairs!, at + SCALE_BYTES[format])];
      return { scale, minimum: layout.minimum!.timesScale ? scale * second : -second };
    }
    case 'k4': {
      const metas = planes.metas!;
      return {
        scale: halfAt(metas, block * 8) * SUB_SCALES.k4.scale(metas, block * 16 + 4, own),
        minimum: halfAt(metas, block * 8 + 1) * SUB_SCALES.k4.minimum(metas, block * 16 + 4, own),
      };
    }
    case 'k3':
      return { scale: halfAt(planes.metas!, block * 8) * SUB_SCALES.k3.scale(planes.metas!, block * 16 + 4, own) };
    case 'xs':
      return { scale: halfAt(planes.metas!, block * 4) * SUB_SCALES.xs.scale(planes.metas!, block * 8 + 2, own) };
    case 'bytes':
      return { scale: halfAt(planes.scales!, block) * SUB_SCALES.bytes.scale(planes.subs!, block * 16, own) };
    case 'nibbles':
      return {
        scale: halfAt(planes.pairs!, 2 * block) * SUB_SCALES.nibbles.scale(planes.subs!, block * 16, own),
        minimum: halfAt(planes.pairs!, 2 * block + 1) * SUB_SCALES.nibbles.minimum(planes.subs!, block * 16, own),
      };
    default:
      throw new Error(`no decoder for ${JSON.stringify(packing satisfies never)}`);
  }
}

/** What the code of an element stands for. */
function codeOf(format: PackedBlocks, planes: PackedPlanes, element: number): number {
  const { codeBits, signed, layout } = format;
  const { low, high } = planeBits(format);
  const code = bitsOf(planes.codes!, low, element) | (high === 0 ? 0 : bitsOf(planes.high!, high, element) << low);
  if (layout.code.kind === 'integers' || layout.code.kind === 'floats') return layout.code.values[code]!;
  return signed && code >= 1 << (codeBits - 1) ? code - (1 << codeBits) : code;
}

function bitsOf(plane: Uint8Array, bits: 1 | 2 | 4 | 8, element: number): number {
  const group = Math.floor(element / 32);
  const j = element % 32;
  const half = j >> 4;
  if (bits === 8) return plane[element]!;
  if (bits === 4) return (plane[group * 16 + (j % 16)]! >> (4 * half)) & 15;
  if (bits === 2) return (plane[group * 8 + 4 * half + (j % 4)]! >> (2 * ((j % 16) >> 2))) & 3;
  return (plane[group * 4 + (j % 4)]! >> (j >> 2)) & 1;
}
