/**
 * Scales and zero points that a folder gives as numbers, [rows, groups] in whatever order and packing, and the planes of scales and
 * minimums that they make: a code stands for (code - zero point) * scale.
 */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { decodeRows } from '../../tensor/codec/decode-rows.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { AffineScale } from '../../tensor/formats/affine.ts';
import { putScale, SCALE_BYTES } from '../../tensor/formats/scale-values.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';
import { rowPlane } from './joined-tensor.ts';
import type { Plane } from './plane.ts';
import type { TransposedLines } from './transposed-lines.ts';

/** Numbers of the rows [row, row + count), [count, groups]. */
export interface NumberGrid {
  readonly name: string;
  read(row: number, count: number, options?: ReadOptions): Promise<Float32Array>;
}

/** A tensor of floats [rows, groups]. */
export function floatRows(entry: TensorEntry, rows: number): NumberGrid {
  const type = entry.type as AffineScale;
  const plane = rowPlane(entry, rows);
  return {
    name: plane.name,
    async read(row, count, options) {
      const bytes = await plane.read(row, count, options);
      return floatsOf(type, bytes);
    },
  };
}

/** A tensor of floats [groups, rows]. */
export function floatColumns(lines: TransposedLines, type: AffineScale): NumberGrid {
  return {
    name: lines.name,
    async read(row, count, options) {
      const values = new Float32Array(count * lines.lines);
      await lines.forColumns(row, row + count, ({ bytes, begin, width }, from, to) => {
        const size = SCALE_BYTES[type];
        for (let group = 0; group < lines.lines; group++) {
          const at = (group * width + from - begin) * size;
          const floats = floatsOf(type, bytes.subarray(at, at + (to - from) * size));
          for (let i = 0; i < floats.length; i++) values[(from - row + i) * lines.lines + group] = floats[i]!;
        }
      }, options);
      return values;
    },
  };
}

export function floatsOf(type: AffineScale, bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length / bytesOfElements(type, 1));
  decodeRows(type, bytes, values);
  return values;
}

export interface AffineScales {
  readonly scales: NumberGrid;
  /** Zero points; undefined where there are none, and each is `middle`. */
  readonly zeros: NumberGrid | undefined;
  /** 2^(bits - 1), the zero point of codes that lie about it. */
  readonly middle: number;
  /** True: every zero point is `middle`, so that -middle * scale is exact in the scales' own type. */
  readonly isSymmetric: boolean;
  /** The type of the scales of the blocks: the file's own where `isSymmetric` or zero points stay, else f32. */
  readonly type: AffineScale;
  /** True: the second plane holds zero points as they are. */
  readonly keepsPoints: boolean;
  /** Blocks of a row that share a scale. */
  readonly repeat: number;
}

/** The planes of an affine format: scale, and minimum = -zero point * scale, or the zero point. */
export function affinePlanes(options: AffineScales): { readonly scales: Plane; readonly minimums: Plane } {
  const { scales, zeros, middle, isSymmetric, type, keepsPoints, repeat } = options;
  return {
    scales: {
      name: scales.name,
      read: async (row, count, read) => scaleBytes(type, await scales.read(row, count, read), repeat),
    },
    minimums: {
      name: scales.name,
      async read(row, count, read) {
        const [values, points] = await Promise.all([scales.read(row, count, read), zeros?.read(row, count, read)]);
        if (isSymmetric && points !== undefined) checkMiddle(points, middle, { name: zeros!.name, row, groups: values.length / count });
        const minimums = values.map((scale, i) => (keepsPoints ? (points?.[i] ?? middle) : -(points?.[i] ?? middle) * scale));
        return scaleBytes(type, minimums, repeat);
      },
    },
  };
}

interface PointPlace {
  readonly name: string;
  readonly row: number;
  readonly groups: number;
}

function checkMiddle(points: Float32Array, middle: number, { name, row, groups }: PointPlace): void {
  const at = points.findIndex((point) => point !== middle);
  if (at < 0) return;
  throw new FormatError(
    `${name}: expected zero points of ${middle}, as config.json calls it symmetric, found ${points[at]} in row ` +
      `${row + Math.floor(at / groups)}, group ${at % groups}. Settings and tensors do not belong together.`,
  );
}

/** Each number `repeat` times, in the bytes of a type that holds it. */
export function scaleBytes(type: AffineScale, values: Float32Array, repeat: number): Uint8Array {
  const size = SCALE_BYTES[type];
  const bytes = new Uint8Array(values.length * repeat * size);
  for (let i = 0, at = 0; i < values.length; i++) {
    for (let n = 0; n < repeat; n++, at += size) putScale(type, bytes, at, values[i]!);
  }
  return bytes;
}
