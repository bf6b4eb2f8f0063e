/** Weights of floats that are read as blocks: a file is quantised while it is loaded, as `convert` would write it. */
import type { WeightSource } from '../graph/executor.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { encodeRows, findUnencodable } from '../tensor/codec/encode-rows.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { readUnits } from '../tensor/read-units.ts';
import type { Units } from '../tensor/read-units.ts';
import { bytesOfElements, elementsOf, isQuantized } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { ggufTensors } from './gguf-tensors.ts';
import { EXPORT_TYPES, tensorTypes } from './gguf-mixes.ts';
import type { ExportType } from './gguf-mixes.ts';
import type { WeightSpec } from './weight-spec.ts';

/** What a model can be quantised to while it is loaded. */
export type QuantizeType = Exclude<ExportType, 'f32' | 'f16' | 'bf16'>;
export const QUANTIZE_TYPES = EXPORT_TYPES.filter((type): type is QuantizeType => !['f32', 'f16', 'bf16'].includes(type));

/** Values encoded at a time, unless one row has more: 1 MiB as f32. */
const CHUNK_VALUES = 1 << 18;

export interface QuantizeOptions {
  readonly type: QuantizeType;
  readonly specs: readonly WeightSpec[];
  readonly config: DecoderConfig;
  /** The file's name, for messages. */
  readonly where: string;
}

/**
 * The same weights with the types that a GGUF file of that type gives them; vectors and what it keeps in floats stay as they are.
 * @throws InputError for another type, and for weights that are quantised already
 */
export function quantizeWeights(weights: ReadonlyMap<string, WeightSource>, options: QuantizeOptions): ReadonlyMap<string, WeightSource> {
  const { type, specs, config, where } = options;
  if (!QUANTIZE_TYPES.includes(type))
    throw new InputError(`quantize must be one of ${QUANTIZE_TYPES.join(', ')}, found ${JSON.stringify(type)}.`);
  const quantised = [...weights.values()].find((source) => isQuantized(source.type));
  if (quantised !== undefined)
    throw new InputError(
      `quantize "${type}" is for weights of floats; ${where} holds ${quantised.type} (${quantised.origin}): leave quantize out, or load ` +
        'the original weights.',
    );
  const tensors = ggufTensors(specs, where);
  const types = tensorTypes(tensors, type, config);
  const wanted = new Map(tensors.flatMap((tensor, n) => tensor.weights.map((id) => [id, types[n] as WeightType] as const)));
  return new Map([...weights].map(([id, source]) => [id, encoded(source, wanted.get(id) ?? source.type)]));
}

function encoded(source: WeightSource, type: WeightType): WeightSource {
  if (!isQuantized(type) || source.shape.length === 1) return source;
  const cols = source.shape.at(-1) as number;
  const fromRowBytes = bytesOfElements(source.type, cols);
  const units: Units = {
    unitBytes: bytesOfElements(type, cols),
    mostUnits: Math.max(1, Math.floor(CHUNK_VALUES / cols)),
    async make(row, rows, options) {
      const raw = new Uint8Array(rows * fromRowBytes);
      await source.read(row * fromRowBytes, raw, options);
      const values = new Float32Array(rows * cols);
      decodeRows(source.type, raw, values);
      checkValues(source, type, values, row);
      const blocks = new Uint8Array(bytesOfElements(type, values.length));
      encodeRows(type, values, blocks);
      return blocks;
    },
  };
  return {
    ...source,
    type,
    sizeBytes: bytesOfElements(type, elementsOf(source.shape)),
    read: (byteOffset, into, options) => readUnits(units, byteOffset, into, options),
  };
}

function checkValues({ origin, shape }: WeightSource, type: WeightType, values: Float32Array, firstRow: number): void {
  const bad = findUnencodable(type, values);
  if (bad < 0) return;
  const cols = shape.at(-1) as number;
  const place = `${values[bad]} at row ${firstRow + Math.floor(bad / cols)}, column ${bad % cols}`;
  if (!Number.isFinite(values[bad]))
    throw new FormatError(`${origin}: expected finite weights, found ${place}. The file is damaged: get it again.`);
  throw new FormatError(`${origin}: found ${place}, which is too large for ${type}. Load it without quantize, or with another type.`);
}
