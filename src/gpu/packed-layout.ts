/**
 * How weights lie on the GPU. A matrix [rows, cols] of one type is one buffer cut into planes; every plane is row-major and is
 * bound as a range of its own. Derived from the file's {@link WeightFormat}: a new block format is a record there.
 *
 * Codes come in groups of 32 consecutive elements of a row, whatever the file's block. Plane `codes` holds their low bits, as many as
 * there are for a whole byte of them to be 1, 2 or 4 codes, and plane `high` those above:
 * - 4-bit `codes` (16 bytes a group): byte j holds element j in its low half, element 16 + j in its high half.
 * - 2-bit `codes` or `high` (8 bytes a group): two u32; the first serves elements 0..15, the second 16..31. Element 4t + b of the half is
 *   in byte b, bits 2t and 2t+1.
 * - 1-bit `high` (4 bytes a group): a u32; element 4q + b is bit q of byte b.
 * - 8-bit `codes` (32 bytes a group): element j in byte j.
 * Formats with a zero point are stored with the code's top bit flipped, so that it reads as two's complement:
 * value = scale * signed code, and a 4-bit code in the high half of a byte is 16 times its value. Formats with minimums
 * keep unsigned codes: value = scale * code - minimum. Numbers of codebook entries are kept as they are.
 */
import { CapacityError } from '../tensor/errors.ts';
import { E4M3_VALUES, SCALE_BYTES } from '../tensor/formats/scale-values.ts';
import { formatOf } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/formats/weight-formats.ts';
import type { BlockFormat } from '../tensor/formats/weight-format.ts';

export type PlaneName = 'codes' | 'high' | 'scales' | 'pairs' | 'subs' | 'metas' | 'values';

export interface Plane {
  readonly name: PlaneName;
  /** WGSL element type of the storage array it is bound as. */
  readonly element: 'vec4<u32>' | 'vec2<u32>' | 'u32' | 'vec4<f32>' | 'vec2<f32>' | 'f32';
  /** Bytes of one row. Rows follow each other without gaps, so a row may begin inside an element of `scales`. */
  readonly rowBytes: number;
}

/**
 * Scales of a packed format. Groups are counted through the whole matrix: of 32 elements, group g of row r is number r * cols / 32 + g.
 * - `direct`: plane `scales`, one f16 per 32 elements, two in a u32, the first in the low half.
 * - `pair`: plane `pairs`, a scale and a minimum for each group of the file, in its own format: two 16-bit floats in a u32, the scale in
 *   the low half, or a vec2<f32>. The minimum is added; or it is a zero point, times the scale subtracted.
 * - `e8m0`: plane `scales`, an exponent of one byte per 32 elements, four in a u32.
 * - `ue4m3`: plane `scales`, a byte per 16 elements, four in a u32.
 * - `f32`: plane `scales`, an f32 per 128 elements.
 * - `k4`: plane `metas`, one vec4<u32> per 256 elements: word 0 = f16 d (low half), f16 dmin (high half); words 1..3 = the twelve
 *   bytes of 6-bit scales and minimums of its eight groups of 32, as ggml packs them.
 * - `k3`: plane `metas`, one vec4<u32> per 256 elements: word 0 = f16 d; words 1..3 = the twelve bytes of 6-bit scales of its sixteen
 *   groups of 16.
 * - `xs`: plane `metas`, one vec2<u32> per 256 elements: f16 d, then the six bytes of 6-bit scales of its eight groups of 32.
 * - `bytes`: plane `subs`, one vec4<u32> per 256 elements: an int8 for every 16 elements; plane `scales`, one f16 per 256 elements.
 * - `nibbles`: plane `subs`, one vec4<u32> per 256 elements: a byte for every 16, its scale in the low and its minimum in the high half;
 *   plane `pairs`, a u32 per 256 elements: f16 d (low half), f16 dmin (high half).
 */
export type PackedScale = 'direct' | 'pair' | 'e8m0' | 'ue4m3' | 'f32' | 'k4' | 'k3' | 'xs' | 'bytes' | 'nibbles';

export interface PackedBlocks {
  readonly kind: 'blocks';
  readonly type: WeightType;
  readonly layout: BlockFormat;
  readonly codeBits: BlockFormat['codeBits'];
  readonly scale: PackedScale;
  /** Elements under one scale as kernels see it: 32, or 16 where a group of 32 has two, and two minimums where it has minimums. */
  readonly scaleGroup: 16 | 32;
  readonly hasMinimum: boolean;
  /** Codes are two's complement; else unsigned. */
  readonly signed: boolean;
  /** What codes are: numbers; numbers of entries of a codebook of integers (`layout.code.values`); or floats of one byte. */
  readonly meaning: 'number' | 'integers' | 'e4m3';
}

export interface PackedFloats {
  readonly kind: 'floats';
  readonly type: 'f32' | 'f16' | 'bf16';
}

export type PackedFormat = PackedBlocks | PackedFloats;

/** Bits of a code in plane `codes`, and in plane `high`. */
export function planeBits({ codeBits }: Pick<PackedBlocks, 'codeBits'>): { readonly low: 2 | 4 | 8; readonly high: 0 | 1 | 2 } {
  const low = codeBits === 8 ? 8 : codeBits >= 4 ? 4 : 2;
  return { low, high: (codeBits - low) as 0 | 1 | 2 };
}

function meaningOf({ code, name, codeBits }: BlockFormat): PackedBlocks['meaning'] {
  if (code.kind === 'offset' || code.kind === 'signed') return 'number';
  if (code.kind === 'integers' && codeBits === 4) return 'integers';
  if (code.kind === 'floats' && code.values === E4M3_VALUES) return 'e4m3';
  throw new CapacityError(`The GPU has no packed form for codes of ${name}.`);
}

/** Packings of one-level scales alone, and the elements under each. */
const DIRECT_SCALES = {
  f16: ['direct', 32], e8m0: ['e8m0', 32], e8m0Half: ['e8m0', 32], ue4m3Half: ['ue4m3', 16], f32: ['f32', 128],
} as const satisfies Readonly<Record<string, readonly [PackedScale, number]>>;

function scaleOf({ name, scale, minimum, groupSize }: BlockFormat): PackedScale {
  if (scale.levels === 2) return scale.subPacking;
  const isKnown = minimum?.sign === (minimum?.timesScale ? -1 : 1);
  const isPair = minimum?.value.levels === 1 && minimum.value.format === scale.format && isKnown && groupSize >= 32;
  if (isPair && (scale.format === 'f16' || scale.format === 'bf16' || scale.format === 'f32')) return 'pair';
  const [packing, group] = scale.format in DIRECT_SCALES ? DIRECT_SCALES[scale.format as keyof typeof DIRECT_SCALES] : [undefined, 0];
  if (packing === undefined || minimum !== undefined || groupSize !== group)
    throw new CapacityError(`The GPU has no packed form for ${scale.format} scales of ${groupSize} elements (${name}).`);
  return packing;
}

/** @throws CapacityError for a record whose codes or scales no form has */
export function packedBlocksOf(layout: BlockFormat): PackedBlocks {
  return {
    kind: 'blocks',
    type: layout.name as WeightType,
    layout,
    codeBits: layout.codeBits,
    scale: scaleOf(layout),
    scaleGroup: layout.groupSize === 16 ? 16 : 32,
    hasMinimum: layout.minimum !== undefined,
    signed: layout.code.kind === 'signed' || (layout.code.kind === 'offset' && layout.code.zeroPoint !== 0),
    meaning: meaningOf(layout),
  };
}

export function packedFormatOf(type: WeightType): PackedFormat {
  const format = formatOf(type);
  return format.kind === 'float' ? { kind: 'floats', type: format.format } : packedBlocksOf(format);
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
  return [...codePlanesOf(format, cols), ...scalePlanesOf(format, cols)];
}

const CODE_ELEMENTS = { 1: 'u32', 2: 'vec2<u32>', 4: 'vec4<u32>', 8: 'vec4<u32>' } as const;

function codePlanesOf(format: PackedBlocks, cols: number): readonly Plane[] {
  const { low, high } = planeBits(format);
  const plane = (name: 'codes' | 'high', bits: 1 | 2 | 4 | 8): Plane => ({
    name, element: CODE_ELEMENTS[bits], rowBytes: (cols / 8) * bits,
  });
  return [plane('codes', low), ...(high === 0 ? [] : [plane('high', high)])];
}

function scalePlanesOf({ scale, layout }: PackedBlocks, cols: number): readonly Plane[] {
  switch (scale) {
    case 'direct':
      return [{ name: 'scales', element: 'u32', rowBytes: cols / 16 }];
    case 'e8m0':
      return [{ name: 'scales', element: 'u32', rowBytes: cols / 32 }];
    case 'ue4m3':
      return [{ name: 'scales', element: 'u32', rowBytes: cols / 16 }];
    case 'f32':
      return [{ name: 'scales', element: 'f32', rowBytes: cols / 32 }];
    case 'pair': {
      const bytes = SCALE_BYTES[layout.scale.format];
      return [{ name: 'pairs', element: bytes === 4 ? 'vec2<f32>' : 'u32', rowBytes: (cols / layout.groupSize) * 2 * bytes }];
    }
    case 'k4':
    case 'k3':
      return [{ name: 'metas', element: 'vec4<u32>', rowBytes: cols / 16 }];
    case 'xs':
      return [{ name: 'metas', element: 'vec2<u32>', rowBytes: cols / 32 }];
    case 'bytes':
      return [{ name: 'subs', element: 'vec4<u32>', rowBytes: cols / 16 }, { name: 'scales', element: 'u32', rowBytes: cols / 128 }];
    case 'nibbles':
      return [{ name: 'subs', element: 'vec4<u32>', rowBytes: cols / 16 }, { name: 'pairs', element: 'u32', rowBytes: cols / 64 }];
    default:
      throw new Error(`no planes for scale packing ${JSON.stringify(scale satisfies never)}`);
  }
}

/** Ranges of a buffer are bound from multiples of this (WebGPU's default limit). */
export const BINDING_ALIGNMENT = 256;

export interface PlaneRange extends Plane {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface PackedMatrix {
  /** Offsets are the matrix's own. */
  readonly planes: readonly PlaneRange[];
  readonly sizeBytes: number;
}

/** Where the planes of a matrix of `rows` rows lie, and its size. */
export function layOutMatrix(format: PackedFormat, rows: number, cols: number): PackedMatrix {
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
