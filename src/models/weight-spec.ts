/**
 * Which tensors a model is made of, and how a checkpoint's tensors are matched with them.
 * Every tensor of the file is consumed, or skipped for a stated reason; anything else is an error.
 */
import type { WeightSource } from '../graph/executor.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isQuantized, isWeightType, WEIGHT_TYPES } from '../tensor/tensor-type.ts';

export interface WeightSpec {
  /** The id under which graph ops refer to it: `layers.0.attn.q`. */
  readonly id: string;
  readonly shape: readonly number[];
  /** Name of the tensor in each format. */
  readonly gguf: string;
  readonly safetensors: string;
  /**
   * Set where GGUF stores the rows of each of `interleavedHeads` heads as pairs (llama's q and k, whose rotation is
   * interleaved there): row 2i + s of a head holds row s * headDim/2 + i. Undone as the tensor is read.
   */
  readonly interleavedHeads?: number;
}

/** A tensor that some files carry and no step needs. */
export interface SkipRule {
  readonly pattern: RegExp;
  readonly reason: string;
}

export interface BoundWeights {
  readonly weights: ReadonlyMap<string, WeightSource>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export function bindWeights(checkpoint: Checkpoint, specs: readonly WeightSpec[], skips: readonly SkipRule[]): BoundWeights {
  const weights = new Map<string, WeightSource>();
  const consumed = new Set<string>();
  for (const spec of specs) {
    const entry = checkedEntry(checkpoint, spec);
    consumed.add(entry.name);
    weights.set(spec.id, weightSource(checkpoint, spec, entry));
  }
  return { weights, skipped: skippedTensors(checkpoint, consumed, skips) };
}

function skippedTensors(checkpoint: Checkpoint, consumed: ReadonlySet<string>, skips: readonly SkipRule[]) {
  const skipped = [...(checkpoint.superseded ?? [])];
  const extra: string[] = [];
  for (const [name, entry] of checkpoint.tensors) {
    if (consumed.has(name)) continue;
    const rule = skips.find(({ pattern }) => pattern.test(name));
    if (rule !== undefined) skipped.push({ name, reason: rule.reason });
    else if (entry.unlistedIn !== undefined) skipped.push({ name, reason: `${entry.unlistedIn} does not list it` });
    else extra.push(`${name.slice(0, 100)} [${entry.shape.join(', ')}] in ${entry.fileName}`);
  }
  if (extra.length > 0) {
    const more = extra.length > 3 ? ` and ${extra.length - 3} more` : '';
    throw new FormatError(
      `${checkpoint.name}: expected only tensors that the ${checkpoint.architecture} architecture has, found ` +
        `${extra.slice(0, 3).join('; ')}${more}. The file is of a variant that is not supported, or its metadata and weights do not belong together.`,
    );
  }
  return skipped;
}

function checkedEntry(checkpoint: Checkpoint, spec: WeightSpec): TensorEntry {
  const name = spec[checkpoint.format];
  const expected = `${name} of shape [${spec.shape.join(', ')}]`;
  const entry = checkpoint.tensors.get(name);
  if (entry === undefined) {
    throw new FormatError(`${checkpoint.name}: expected tensor ${expected}, found none. The file is incomplete: get it again.`);
  }
  if (entry.shape.length !== spec.shape.length || entry.shape.some((size, i) => size !== spec.shape[i])) {
    throw new FormatError(`${entry.fileName}: expected tensor ${expected}, found shape [${entry.shape.join(', ')}].`);
  }
  if (!isWeightType(entry.type) || (spec.shape.length === 1 && isQuantized(entry.type))) {
    const types = WEIGHT_TYPES.filter((type) => spec.shape.length > 1 || !isQuantized(type));
    throw new FormatError(
      `${entry.fileName}: tensor ${name} has type ${entry.type}; expected one of ${types.join(', ')}. ` +
        'Convert the model to one of these types, or get a file of it that uses them (Q4_0, Q8_0 and Q4_K_M files do).',
    );
  }
  return entry;
}

function weightSource(checkpoint: Checkpoint, spec: WeightSpec, entry: TensorEntry): WeightSource {
  const heads = checkpoint.format === 'gguf' ? spec.interleavedHeads : undefined;
  if (!isWeightType(entry.type)) throw new Error(`weight ${spec.id}: type ${entry.type} was not checked`);
  return {
    id: spec.id,
    type: entry.type,
    shape: spec.shape,
    sizeBytes: entry.sizeBytes,
    origin: `${entry.name} in ${entry.fileName}`,
    async read(into: Uint8Array, options?: ReadOptions) {
      await entry.read(0, into, options);
      if (heads !== undefined) deinterleaveHeads(into, spec.shape[0] as number, heads);
    },
    ...(heads === undefined && { readRange: (byteOffset, into, options) => entry.read(byteOffset, into, options) }),
  };
}

/** Row s * headDim/2 + i of every head becomes what was row 2i + s. Rows are whole blocks, so quantised rows move as they are. */
export function deinterleaveHeads(bytes: Uint8Array, rows: number, heads: number): void {
  const rowBytes = bytes.length / rows;
  const headRows = rows / heads;
  const half = headRows / 2;
  const before = new Uint8Array(headRows * rowBytes);
  for (let head = 0; head < heads; head++) {
    const start = head * before.length;
    before.set(bytes.subarray(start, start + before.length));
    for (let row = 0; row < headRows; row++) {
      const from = 2 * (row % half) + Math.floor(row / half);
      bytes.set(before.subarray(from * rowBytes, (from + 1) * rowBytes), start + row * rowBytes);
    }
  }
}
