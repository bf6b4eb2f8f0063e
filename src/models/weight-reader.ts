/**
 * Weight expressions over an open checkpoint, read as they are asked for. Nothing is kept between reads: what holds its operand's bytes
 * as they are (`stack`, `slice`, `expert`, `reshape`) reads straight into the caller's memory, what moves single rows or changes values
 * passes them through a buffer of at most {@link GATHER_BYTES}.
 */
import type { WeightSource } from '../graph/executor.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import { readUnits } from '../tensor/read-units.ts';
import type { Units } from '../tensor/read-units.ts';
import { bytesOfElements, elementsOf, isQuantized } from '../tensor/tensor-type.ts';
import { checkWeightType } from './check-weight-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import { weightNormReader } from './weight-norm-reader.ts';
import { permutedRow, printExpression, rowsOf, tensorsOf, transposedRow, VALUE_FUNCTIONS } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { shapeOf } from './weight-shape.ts';

/** Most bytes that a read holds beside the caller's memory; two rows where those are longer. */
export const GATHER_BYTES = 1024 * 1024;

type Read = WeightSource['read'];

interface Reader {
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly read: Read;
}

interface Reading {
  readonly checkpoint: Checkpoint;
  readonly buffers: GatherBuffers;
  /** For messages. */
  readonly where: string;
}

/** Buffers that reads pass rows through: as many as there were reads at a time, used again rather than left to the collector. */
interface GatherBuffers {
  take(sizeBytes: number): Uint8Array;
  giveBack(buffer: Uint8Array): void;
}

function createGatherBuffers(): GatherBuffers {
  const free: Uint8Array[] = [];
  return {
    take(sizeBytes) {
      const buffer = free.pop();
      return buffer !== undefined && buffer.length >= sizeBytes ? buffer : new Uint8Array(sizeBytes);
    },
    giveBack: (buffer) => void free.push(buffer),
  };
}

/** Makes the weights of a checkpoint, by id and expression. */
export type WeightReader = (id: string, expression: WeightExpression) => WeightSource;

/**
 * Weights that are read from the checkpoint's tensors; they share the buffers that rows pass through. Making one
 * @throws FormatError where a tensor is missing, has another shape or a type without kernels, and where types do not allow the expression
 */
export function weightReader(checkpoint: Checkpoint): WeightReader {
  const buffers = createGatherBuffers();
  return (id, expression) => weightSource(id, expression, { checkpoint, buffers, where: `${checkpoint.name}: weight ${id}` });
}

function weightSource(id: string, expression: WeightExpression, reading: Reading): WeightSource {
  const reader = readerOf(expression, reading);
  const sizeBytes = bytesOfElements(reader.type, elementsOf(reader.shape));
  return {
    ...reader,
    id,
    sizeBytes,
    async read(byteOffset, into, options) {
      if (!(Number.isSafeInteger(byteOffset) && byteOffset >= 0 && byteOffset + into.length <= sizeBytes))
        throw new RangeError(`weight ${id} has ${sizeBytes} bytes; asked for ${into.length} from ${byteOffset} on`);
      await reader.read(byteOffset, into, options);
    },
    origin: `${printExpression(expression)} in ${filesOf(reading.checkpoint, expression)}`,
  };
}

/** The files that hold an expression's tensors, for messages. */
export function filesOf(checkpoint: Checkpoint, expression: WeightExpression): string {
  const names = new Set(tensorsOf(expression).map((name) => checkpoint.tensors.get(name)?.fileName));
  return [...names].join(' and ');
}

function readerOf(expression: WeightExpression, reading: Reading): Reader {
  const shape = shapeOf(expression, reading.where);
  switch (expression.kind) {
    case 'tensor':
      return tensorReader(expression, reading.checkpoint);
    case 'stack':
      return stackReader(expression, shape, reading);
    case 'slice':
      return sliceReader(expression, shape, reading);
    case 'permuteHeads':
      return permuteReader(expression, reading);
    case 'expert':
      return expertReader(expression, shape, reading);
    case 'reshape':
      return reshapeReader(expression, reading);
    case 'transposeHeads':
      return transposeHeadsReader(expression, reading);
    case 'transpose':
      return transposeReader(expression, shape, reading);
    case 'padded':
      return paddedReader(expression, reading);
    // Added in f32, as models that store a gain without its 1 add it.
    case 'plus':
      return valueReader((x) => x + expression.value, [readerOf(expression.of, reading)]);
    case 'apply':
      return valueReader(VALUE_FUNCTIONS[expression.fn].apply, [readerOf(expression.of, reading)]);
    case 'sum':
      return valueReader((...parts) => parts.reduce((sum, part) => sum + part, 0), expression.parts.map((part) => readerOf(part, reading)));
    case 'timesRows': {
      const from = readerOf(expression.of, reading);
      refuseBlocks(from, true, { ...reading, what: `${printExpression(expression.of)} times a vector` });
      return valueReader((x, by) => x * by, [from, eachOf(readerOf(expression.by, reading), shape)]);
    }
    case 'weightNorm': {
      const from = readerOf(expression.of, reading);
      refuseBlocks(from, true, { ...reading, what: `${printExpression(expression.of)} at another length` });
      return weightNormReader(from, readerOf(expression.by, reading));
    }
    default:
      throw new Error(`expression without a reader: ${JSON.stringify(expression satisfies never)}`);
  }
}

type Of<Kind extends WeightExpression['kind']> = WeightExpression & { readonly kind: Kind };

function tensorReader({ name, shape }: Of<'tensor'>, checkpoint: Checkpoint): Reader {
  const expected = `${name} of shape [${shape.join(', ')}]`;
  const entry = checkpoint.tensors.get(name);
  if (entry === undefined) {
    throw new FormatError(`${checkpoint.name}: expected tensor ${expected}, found none. The file is incomplete: get it again.`);
  }
  if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i])) {
    throw new FormatError(`${entry.fileName}: expected tensor ${expected}, found shape [${entry.shape.join(', ')}].`);
  }
  const type = checkWeightType(entry, shape);
  return { type, shape, read: (byteOffset, into, options) => entry.read(byteOffset, into, options) };
}

/** Bytes of the rows of one group: all rows of a matrix, those of one expert of several. */
function groupBytesOf({ type, shape }: Pick<Reader, 'type' | 'shape'>): number {
  const { rows, width } = rowsOf(shape);
  return bytesOfElements(type, rows * width);
}

function rowBytesOf({ type, shape }: Pick<Reader, 'type' | 'shape'>): number {
  return bytesOfElements(type, rowsOf(shape).width);
}

/** Where the bytes from some offset of a result on lie: `length` of them one after another. */
interface Span {
  readonly from: Reader;
  readonly byteOffset: number;
  readonly length: number;
}

/** Reads what lies in spans of other readers, each straight into its place. */
function spanReader(type: WeightType, shape: readonly number[], spanAt: (byteOffset: number) => Span): Reader {
  return {
    type,
    shape,
    async read(byteOffset, into, options) {
      for (let done = 0; done < into.length; ) {
        options?.signal?.throwIfAborted();
        const { from, byteOffset: at, length } = spanAt(byteOffset + done);
        const count = Math.min(length, into.length - done);
        await from.read(at, into.subarray(done, done + count), options);
        done += count;
      }
    },
  };
}

function stackReader({ parts }: Of<'stack'>, shape: readonly number[], reading: Reading): Reader {
  const readers = parts.map((part) => readerOf(part, reading));
  const { type } = readers[0] as Reader;
  const other = readers.findIndex((reader) => reader.type !== type);
  if (other >= 0) {
    const [first, second] = [parts[0], parts[other]].map((part) => printExpression(part as WeightExpression));
    throw new FormatError(
      `${reading.where}: expected tensors of one type to be stacked, found ${first} of ${type} and ${second} of ${readers[other]?.type}. ` +
        'Get a file of the model that has one type for them.',
    );
  }
  const sizes = readers.map(groupBytesOf);
  const groupBytes = sizes.reduce((sum, size) => sum + size, 0);
  return spanReader(type, shape, (byteOffset) => {
    const group = Math.floor(byteOffset / groupBytes);
    let within = byteOffset % groupBytes;
    let part = 0;
    while (within >= (sizes[part] as number)) within -= sizes[part++] as number;
    const size = sizes[part] as number;
    return { from: readers[part] as Reader, byteOffset: group * size + within, length: size - within };
  });
}

function sliceReader({ of, start, step }: Of<'slice'>, shape: readonly number[], reading: Reading): Reader {
  const from = readerOf(of, reading);
  const { type } = from;
  const rowBytes = rowBytesOf(from);
  const { rows } = rowsOf(shape);
  const fromRows = rowsOf(from.shape).rows;
  if (step !== 1) {
    const rowOf = (row: number) => Math.floor(row / rows) * fromRows + start + (row % rows) * step;
    return { type, shape, read: gatherRead(from, { rowBytes, rowOf, period: 1, ...reading }) };
  }
  const groupBytes = rows * rowBytes;
  return spanReader(type, shape, (byteOffset) => {
    const within = byteOffset % groupBytes;
    const group = Math.floor(byteOffset / groupBytes);
    return { from, byteOffset: (group * fromRows + start) * rowBytes + within, length: groupBytes - within };
  });
}

function permuteReader({ of, heads, to }: Of<'permuteHeads'>, reading: Reading): Reader {
  const from = readerOf(of, reading);
  const headRows = rowsOf(from.shape).rows / heads;
  const rowOf = (row: number) => permutedRow(row, headRows, to);
  return { ...from, read: gatherRead(from, { rowBytes: rowBytesOf(from), rowOf, period: headRows, ...reading }) };
}

function transposeHeadsReader({ of, ...heads }: Of<'transposeHeads'>, reading: Reading): Reader {
  const from = readerOf(of, reading);
  const { rows } = rowsOf(from.shape);
  const headRows = rows / (heads.outer * heads.inner);
  const rowOf = (row: number) => row - (row % rows) + transposedRow(row % rows, headRows, heads);
  return { ...from, read: gatherRead(from, { rowBytes: rowBytesOf(from), rowOf, period: rows, ...reading }) };
}

function expertReader({ of, index }: Of<'expert'>, shape: readonly number[], reading: Reading): Reader {
  const from = readerOf(of, reading);
  refuseBlocks(from, shape.length === 1, { ...reading, what: `a row of ${printExpression(of)} as a vector` });
  const first = index * bytesOfElements(from.type, elementsOf(shape));
  return { type: from.type, shape, read: (byteOffset, into, options) => from.read(first + byteOffset, into, options) };
}

function reshapeReader({ of, shape }: Of<'reshape'>, reading: Reading): Reader {
  const from = readerOf(of, reading);
  const changesRows = shape.at(-1) !== from.shape.at(-1) || shape.length === 1;
  refuseBlocks(from, changesRows, { ...reading, what: `[${from.shape.join(', ')}] of ${printExpression(of)} as [${shape.join(', ')}]` });
  return { ...from, shape };
}

/** Blocks lie along the rows that a file has. */
function refuseBlocks({ type }: Reader, isAffected: boolean, { where, what }: Reading & { readonly what: string }): void {
  if (!isAffected || !isQuantized(type)) return;
  throw new FormatError(
    `${where}: expected a type without blocks (f32, f16, bf16) to take ${what}, found ${type}. Get a file of the model with such a type.`,
  );
}

/** Rows of zero bytes are zeros in every type; zeros behind the values of a row would reach into blocks. */
function paddedReader({ of, shape }: Of<'padded'>, reading: Reading): Reader {
  const from = readerOf(of, reading);
  const [rows, wide] = [rowsOf(from.shape).rows, rowsOf(shape).width];
  refuseBlocks(from, wide !== rowsOf(from.shape).width, { ...reading, what: `wider rows of ${printExpression(of)}` });
  const [ownBytes, unitBytes] = [rowBytesOf(from), bytesOfElements(from.type, wide)];
  const padded: Units = {
    unitBytes,
    mostUnits: Math.max(1, Math.floor(GATHER_BYTES / (2 * unitBytes))),
    async make(first, count, options) {
      const bytes = new Uint8Array(count * unitBytes);
      const there = Math.max(0, Math.min(count, rows - first));
      const own = new Uint8Array(there * ownBytes);
      // Behind the last row nothing is there to be read, not even nothing.
      if (there > 0) await from.read(first * ownBytes, own, options);
      for (let i = 0; i < there; i++) bytes.set(own.subarray(i * ownBytes, (i + 1) * ownBytes), i * unitBytes);
      return bytes;
    },
  };
  return { type: from.type, shape, read: (byteOffset, into, options) => readUnits(padded, byteOffset, into, options) };
}

/** A function of each value, or of the values of several operands at the same place, as f32. The shape is that of the first. */
function valueReader(valueOf: (...values: readonly number[]) => number, from: readonly Reader[]): Reader {
  const [{ shape }] = from as readonly [Reader];
  const made: Units = {
    unitBytes: 4,
    mostUnits: Math.floor(GATHER_BYTES / (4 * (from.length + 1))),
    async make(first, count, options) {
      const operands: Float32Array[] = [];
      for (const { type, read } of from) {
        const elementBytes = bytesOfElements(type, 1);
        const bytes = new Uint8Array(count * elementBytes);
        await read(first * elementBytes, bytes, options);
        const values = new Float32Array(count);
        decodeRows(type, bytes, values);
        operands.push(values);
      }
      const values = Float32Array.from({ length: count }, (_, i) => valueOf(...operands.map((operand) => operand[i] as number)));
      return new Uint8Array(values.buffer);
    },
  };
  return { type: 'f32', shape, read: (byteOffset, into, options) => readUnits(made, byteOffset, into, options) };
}

/** A vector of floats with each value as often as a row of `shape` has values. */
function eachOf(from: Reader, shape: readonly number[]): Reader {
  const width = elementsOf(shape) / (shape[0] as number);
  const elementBytes = bytesOfElements(from.type, 1);
  const repeated: Units = {
    unitBytes: elementBytes,
    mostUnits: Math.floor(GATHER_BYTES / (2 * elementBytes)),
    async make(first, count, options) {
      const [low, high] = [Math.floor(first / width), Math.floor((first + count - 1) / width)];
      const own = new Uint8Array((high + 1 - low) * elementBytes);
      await from.read(low * elementBytes, own, options);
      const bytes = new Uint8Array(count * elementBytes);
      for (let i = 0; i < count; i++) {
        const at = (Math.floor((first + i) / width) - low) * elementBytes;
        bytes.set(own.subarray(at, at + elementBytes), i * elementBytes);
      }
      return bytes;
    },
  };
  return { type: from.type, shape, read: (byteOffset, into, options) => readUnits(repeated, byteOffset, into, options) };
}

/**
 * Matrices of at most {@link GATHER_BYTES}, those of convolutions, are read whole. Of larger ones a stretch of result rows is a stretch of
 * each of the operand's rows: that many short reads are slow, but files of floats hold such matrices transposed in one family alone
 * (gpt-oss, whose published files do not).
 */
function transposeReader({ of }: Of<'transpose'>, shape: readonly number[], reading: Reading): Reader {
  const from = readerOf(of, reading);
  refuseBlocks(from, true, { ...reading, what: `${printExpression(of)} transposed` });
  const { type } = from;
  const [cols, rows] = from.shape.slice(-2) as [number, number];
  const elementBytes = bytesOfElements(type, 1);
  const rowBytes = cols * elementBytes;
  const mostRows = Math.max(1, Math.floor(GATHER_BYTES / rowBytes));
  /** Rows [row, end) of the matrix of one group. */
  const block = async (row: number, end: number, options: Parameters<Read>[2]) => {
    const result = new Uint8Array((end - row) * rowBytes);
    const group = Math.floor(row / rows);
    if (rows * rowBytes <= GATHER_BYTES) {
      const whole = new Uint8Array(rows * rowBytes);
      await from.read(group * whole.length, whole, options);
      const inGroup = group * rows;
      for (let i = row; i < end; i++) {
        for (let col = 0; col < cols; col++) {
          const at = (col * rows + i - inGroup) * elementBytes;
          result.set(whole.subarray(at, at + elementBytes), (i - row) * rowBytes + col * elementBytes);
        }
      }
      return result;
    }
    const part = new Uint8Array((end - row) * elementBytes);
    for (let col = 0; col < cols; col++) {
      options?.signal?.throwIfAborted();
      await from.read(((group * cols + col) * rows + (row % rows)) * elementBytes, part, options);
      for (let i = 0; i < end - row; i++) {
        result.set(part.subarray(i * elementBytes, (i + 1) * elementBytes), i * rowBytes + col * elementBytes);
      }
    }
    return result;
  };
  return {
    type,
    shape,
    async read(byteOffset, into, options) {
      const until = byteOffset + into.length;
      for (let at = byteOffset; at < until; ) {
        const row = Math.floor(at / rowBytes);
        const end = Math.min(row + mostRows, Math.ceil(until / rowBytes), (Math.floor(row / rows) + 1) * rows);
        const bytes = await block(row, end, options);
        const stop = Math.min(until, end * rowBytes);
        into.set(bytes.subarray(at - row * rowBytes, stop - row * rowBytes), at - byteOffset);
        at = stop;
      }
    },
  };
}

interface Gather extends Pick<Reading, 'buffers'> {
  readonly rowBytes: number;
  /** The row of the operand that is this row of the result. */
  rowOf(row: number): number;
  /** The rows [i * period, (i + 1) * period) of the result lie together in the operand. */
  readonly period: number;
}

/** Reads rows in another order: stretches of the operand that hold as many of them as fit, and then each row to its place. */
function gatherRead(from: Reader, gather: Gather): Read {
  const { rowBytes, rowOf, buffers } = gather;
  return async (byteOffset, into, options) => {
    const end = byteOffset + into.length;
    const lastEnd = Math.ceil(end / rowBytes);
    for (let row = Math.floor(byteOffset / rowBytes); row < lastEnd; ) {
      options?.signal?.throwIfAborted();
      const stretch = stretchFrom(row, lastEnd, gather);
      const sizeBytes = (stretch.high + 1 - stretch.low) * rowBytes;
      const buffer = buffers.take(sizeBytes);
      await from.read(stretch.low * rowBytes, buffer.subarray(0, sizeBytes), options);
      for (; row < stretch.end; row++) {
        // Of the first and the last row a caller may want a part.
        const [start, stop] = [Math.max(row * rowBytes, byteOffset), Math.min((row + 1) * rowBytes, end)];
        const at = (rowOf(row) - stretch.low - row) * rowBytes;
        into.set(buffer.subarray(at + start, at + stop), start - byteOffset);
      }
      // Not where the read failed: what was aborted may still be writing.
      buffers.giveBack(buffer);
    }
  };
}

/** The rows [row, end) whose places in the operand, `low` to `high`, are at most GATHER_BYTES: whole periods where one is no longer. */
function stretchFrom(row: number, lastEnd: number, { rowBytes, rowOf, period }: Gather) {
  const mostRows = Math.max(2, Math.floor(GATHER_BYTES / rowBytes));
  const unit = period <= mostRows ? period : 1;
  let [low, high, end] = [rowOf(row), rowOf(row), row];
  while (end < lastEnd) {
    const next = Math.min(lastEnd, (Math.floor(end / unit) + 1) * unit);
    const from = Array.from({ length: next - end }, (_, i) => rowOf(end + i));
    const wider = { low: from.reduce((a, b) => Math.min(a, b), low), high: from.reduce((a, b) => Math.max(a, b), high) };
    if (wider.high + 1 - wider.low > mostRows && end > row) break;
    ({ low, high } = wider);
    end = next;
  }
  return { low, high, end };
}
