/**
 * How weights lie on the GPU. A matrix [rows, cols] of one type is one buffer cut into planes; every plane is row-major and is
 * bound as a range of its own. Derived from the file's {@link WeightFormat}: a new block format is a record there.
 *
 * Codes come in groups of 32 consecutive elements of a row, whatever the file's block:
 * - 4-bit `codes` (16 bytes a group): byte j holds element j in its low half, element 16 + j in its high half.
 * - 2-bit `high` (8 bytes a group): two u32; the first serves elements 0..15, the second 16..31. Element 4t + b of the half is
 *   in byte b, bits 2t and 2t+1. They are bits 4 and 5 of the code.
 * - 8-bit `codes` (32 bytes a group): element j in byte j, two's complement.
 * Formats with a zero point are stored with the code's top bit flipped, so that it reads as two's complement:
 * value = scale * signed code, and a 4-bit code in the high half of a byte is 16 times its value. Formats with minimums
 * keep unsigned codes: value = scale * code - minimum.
 */
import { CapacityError } from '../tensor/errors.ts';
import { formatOf } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/formats/weight-formats.ts';
import type { BlockFormat } from '../tensor/formats/weight-format.ts';

export type PlaneName = 'codes' | 'high' | 'scales' | 'subs' | 'metas' | 'values';

export interface Plane {
  readonly name: PlaneName;
  /** WGSL element type of the storage array it is bound as. */
  readonly element: 'vec4<u32>' | 'vec2<u32>' | 'u32' | 'vec4<f32>';
  /** Bytes of one row. Rows follow each other without gaps, so a row may begin inside an element of `scales`. */
  readonly rowBytes: number;
}

/**
 * Scales of a packed format.
 * - `direct`: plane `scales`, one f16 per 32 elements (two in a u32, the first in the low half), counted through the whole matrix:
 *   group g of row r is number r * cols / 32 + g.
 * - `k4`: plane `metas`, one vec4<u32> per 256 elements: word 0 = f16 d (low half), f16 dmin (high half); words 1..3 = the twelve
 *   bytes of 6-bit scales and minimums of its eight groups of 32, as ggml packs them.
 * - `bytes`: plane `subs`, one vec4<u32> per 256 elements: an int8 for every 16 elements; plane `scales`, one f16 per 256 elements.
 */
export type PackedScale = 'direct' | 'k4' | 'bytes';

export interface PackedBlocks {
  readonly kind: 'blocks';
  readonly type: WeightType;
  readonly layout: BlockFormat;
  readonly codeBits: 4 | 6 | 8;
  readonly scale: PackedScale;
  /** Elements under one scale: 32, or 16 for `bytes`. */
  readonly scaleGroup: 16 | 32;
  readonly hasMinimum: boolean;
  /** Codes are two's complement; else unsigned. */
  readonly signed: boolean;
}

export interface PackedFloats {
  readonly kind: 'floats';
  readonly type: 'f32' | 'f16' | 'bf16';
}

export type PackedFormat = PackedBlocks | PackedFloats;

function packBlocks(layout: BlockFormat): PackedBlocks {
  const { scale, codeBits } = layout;
  const packing = scale.levels === 1 ? 'direct' : scale.subPacking === 'k4' ? 'k4' : 'bytes';
  const isKnown = layout.code.kind === 'offset' || layout.code.kind === 'signed';
  if ((codeBits !== 4 && codeBits !== 6 && codeBits !== 8) || !isKnown)
    throw new CapacityError(`The GPU has no packed form for ${codeBits}-bit codes (${layout.name}).`);
  return {
    kind: 'blocks',
    type: layout.name as WeightType,
    layout,
    codeBits,
    scale: packing,
    scaleGroup: layout.groupSize as 16 | 32,
    hasMinimum: layout.minimum !== undefined,
    signed: layout.code.kind === 'signed' || (layout.code.kind === 'offset' && layout.code.zeroPoint !== 0),
  };
}

export function packedFormatOf(type: WeightType): PackedFormat {
  const format = formatOf(type);
  return format.kind === 'float' ? { kind: 'floats', type: format.format } : packBlocks(format);
}

/** Elements from one row to the next: float rows are padded with zeros to 16 bytes. */
export function rowStride(format: PackedFormat, cols: number): number {
  if (format.kind === 'blocks') return cols;
  return format.type === 'f32' ? Math.ceil(cols / 4) * 4 : Math.ceil(cols / 8) * 8;
}

/** The planes of a matrix of `cols` columns, in the order in which they lie in the buffer and are bound. */
export function planesOf(format: PackedFormat, cols: number): readonly Plane[] {
  if (format.kind === 'floats') {
    return format.type === 'f32'
      ? [{ name: 'values', element: 'vec4<f32>', rowBytes: rowStride(format, cols) * 4 }]
      : [{ name: 'values', element: 'vec4<u32>', rowBytes: rowStride(format, cols) * 2 }];
  }
  const { codeBits, scale } = format;
  const codes: Plane = { name: 'codes', element: 'vec4<u32>', rowBytes: (cols / 8) * (codeBits === 8 ? 8 : 4) };
  const high: readonly Plane[] = codeBits === 6 ? [{ name: 'high', element: 'vec2<u32>', rowBytes: cols / 4 }] : [];
  switch (scale) {
    case 'direct':
      return [codes, ...high, { name: 'scales', element: 'u32', rowBytes: cols / 16 }];
    case 'k4':
      return [codes, ...high, { name: 'metas', element: 'vec4<u32>', rowBytes: cols / 16 }];
    case 'bytes':
      return [
        codes,
        ...high,
        { name: 'subs', element: 'vec4<u32>', rowBytes: cols / 16 },
        { name: 'scales', element: 'u32', rowBytes: cols / 128 },
      ];
    default:
      throw new Error(`no planes for scale packing ${JSON.stringify(scale satisfies never)}`);
  }
}

/** Ranges of a buffer are bound from multiples of this (WebGPU's default limit). */
const BINDING_ALIGNMENT = 256;

export interface PlaneRange extends Plane {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Where the planes of a matrix of `rows` rows lie in its buffer, and the buffer's size. */
export function layOutMatrix(
  format: PackedFormat,
  rows: number,
  cols: number,
): { readonly planes: readonly PlaneRange[]; readonly sizeBytes: number } {
  let offset = 0;
  const planes = planesOf(format, cols).map((plane) => {
    const range = { ...plane, offset, sizeBytes: Math.ceil((rows * plane.rowBytes) / 16) * 16 };
    offset = Math.ceil((offset + range.sizeBytes) / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
    return range;
  });
  return { planes, sizeBytes: offset };
}

/**
 * Rows of several tensors of one type in one matrix. `rows`: one tensor after another (q, k, v). `interleaved`: 16 rows of the
 * first, 16 of the second, and so on (gate and up), so that one workgroup owns both halves of an activation.
 */
export type RowArrangement = 'rows' | 'interleaved';

/** Rows that alternate in an interleaved matrix. */
export const INTERLEAVE_ROWS = 16;
