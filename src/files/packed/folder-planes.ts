/** What the readers of packed folders share: tensors of the folder by name, type and shape, and what they make of them. */
import type { SkippedTensor, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { TENSOR_TYPES } from '../../tensor/tensor-type.ts';
import type { TensorType } from '../../tensor/tensor-type.ts';
import { tensorInFile } from './joined-tensor.ts';
import type { Stretches } from './transposed-lines.ts';

/** A folder of safetensors as its files hold it. */
export interface PackedFolder {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** What is kept of transposed tensors while they are read. */
  readonly stretches: Stretches;
}

/** A tensor in place of its planes. */
export interface Joined {
  readonly tensor: TensorEntry;
  /** Tensors of the folder that it stands for, that of the codes first. */
  readonly planes: readonly string[];
}

export interface JoinedFolder {
  readonly joined: readonly Joined[];
  readonly skipped?: readonly SkippedTensor[] | undefined;
}

export interface ExpectedPlane {
  readonly types: readonly TensorType[];
  readonly shape: readonly number[];
  /** Where the shape comes from, for messages. */
  readonly because?: string | undefined;
}

/** The names of modules, without the dot, that have a tensor of this name. */
export function modulesWith({ tensors }: PackedFolder, tensor: string): readonly string[] {
  return [...tensors.keys()].filter((name) => name.endsWith(`.${tensor}`)).map((name) => name.slice(0, -tensor.length - 1));
}

/** @throws FormatError where the tensor is missing, or of another type or shape */
export function expectPlane({ name: where, tensors }: PackedFolder, name: string, { types, shape, because }: ExpectedPlane): TensorEntry {
  const why = because === undefined ? '' : ` (${because})`;
  const expected = `${types.join(' or ')} ${shapeText(shape)}${why}`;
  const entry = tensors.get(name);
  if (entry === undefined)
    throw missingPlane(where, name, expected);
  if (!types.includes(entry.type) || !isSameShape(entry.shape, shape)) throw wrongPlane(entry, expected);
  return entry;
}

/** The error of a tensor that is not there; `what` is its type and shape, or whose it is. */
export function missingPlane(where: string, name: string, what: string): FormatError {
  return new FormatError(`${where}: expected tensor ${name.slice(0, 120)}, ${what}, found none. The folder is incomplete: get it again.`);
}

/** The error of a tensor that is not as expected. */
export function wrongPlane(entry: TensorEntry, expected: string): FormatError {
  return new FormatError(
    `${tensorInFile(entry)}: expected ${expected}, found ${entry.type} ${shapeText(entry.shape)}. ` +
      "The folder's settings and its tensors do not belong together, or it is damaged.",
  );
}

export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** @throws FormatError for rows of values that are no whole blocks */
export function checkWholeBlocks(entry: TensorEntry, cols: number, type: TensorType): void {
  const { blockSize } = TENSOR_TYPES[type];
  if (cols % blockSize === 0 && cols > 0) return;
  throw new FormatError(
    `${tensorInFile(entry)}: expected rows of a multiple of ${blockSize} values, the length of a block of ${type}, found ${cols}. ` +
      'Get the model in another format.',
  );
}
