/** Weights of ONNX files that dynamic quantisation made (onnxruntime's `quantize_dynamic`), as tensors of floats. */
import { FormatError } from '../tensor/errors.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';
import type { OnnxTensor, OnnxWeights } from './onnx-reader.ts';

/** Codes of one scale and zero point, or floats. */
export interface OnnxMatrix {
  readonly shape: readonly number[];
  /** The value at an index of the row-major array. */
  readonly at: (index: number) => number;
}

/**
 * The tensor of a name: floats as they are, else `NAME_quantized` as (code - `NAME_zero_point`) * `NAME_scale`, or where the zero point is
 * a float, as code * scale + zero point; in f32.
 * @throws FormatError where there is neither
 */
export function onnxMatrix({ tensors }: OnnxWeights, name: string, file: string): OnnxMatrix {
  const floats = tensors.get(name);
  if (floats?.type === 'f32') return { shape: floats.shape, at: valueReader(floats) };
  const [codes, scale, zero] = ['quantized', 'scale', 'zero_point'].map((part) => tensors.get(`${name}_${part}`));
  const isOne = (tensor: OnnxTensor | undefined): tensor is OnnxTensor => tensor?.shape.every((size) => size === 1) === true;
  if (codes === undefined || !isOne(scale) || !isOne(zero))
    throw new FormatError(`${file}: expected ${JSON.stringify(name)} as floats, or as codes with one scale and zero point, found neither.`);
  const [code, step, zeroPoint] = [valueReader(codes), valueReader(scale)(0), valueReader(zero)(0)];
  // Weights of convolutions are made floats by nodes of the graph, whose zero point is added in the end.
  if (zero.type === 'f32') return { shape: codes.shape, at: (index) => Math.fround(Math.fround(code(index) * step) + zeroPoint) };
  return { shape: codes.shape, at: (index) => Math.fround((code(index) - zeroPoint) * step) };
}

function valueReader({ type, bytes }: OnnxTensor): (index: number) => number {
  if (type === 'u8') return (index) => bytes[index]!;
  if (type === 'i8') return (index) => (bytes[index]! << 24) >> 24;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (index) => view.getFloat32(4 * index, true);
}

/** How a matrix lies in the file. */
export interface OnnxPlacing {
  readonly file: string;
  /** Columns before rows: [in, out] is given as [out, in]. */
  readonly isTransposed?: boolean | undefined;
  /** The shape to give it, of as many values. Default: its own, or transposed. */
  readonly shape?: readonly number[] | undefined;
}

/** A tensor of f32 whose values are made as they are read. */
export function onnxEntry(name: string, matrix: OnnxMatrix, { file, isTransposed = false, shape }: OnnxPlacing): TensorEntry {
  const own = isTransposed ? [matrix.shape[1]!, matrix.shape[0]!] : matrix.shape;
  const [rows, columns] = [own[0] ?? 1, own.slice(1).reduce((product, size) => product * size, 1)];
  const value = isTransposed ? (index: number) => matrix.at((index % columns) * rows + Math.floor(index / columns)) : matrix.at;
  const sizeBytes = 4 * rows * columns;
  return {
    name, type: 'f32', shape: shape ?? own, sizeBytes, fileName: file, fileOffset: 0,
    async read(byteOffset, into, options) {
      options?.signal?.throwIfAborted();
      const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
      for (let i = 0; i < into.length / 4; i++) view.setFloat32(4 * i, value(byteOffset / 4 + i), true);
    },
  };
}
