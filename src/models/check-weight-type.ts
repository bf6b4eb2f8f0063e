/** Refuses types of tensors that Ingot does not compute with, and says what to get instead. */
import type { TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { typesInWords } from '../tensor/formats/weight-formats.ts';
import { isQuantized, isWeightType, TENSOR_TYPES, WEIGHT_TYPES } from '../tensor/tensor-type.ts';
import type { TensorType, WeightType } from '../tensor/tensor-type.ts';

/** What to get in place of a type that is known by name alone. */
const INSTEAD: readonly (readonly [types: RegExp, instead: string])[] = [
  [/^iq[123]_/, 'Codebooks of vectors (IQ1, IQ2, IQ3) are not computed with: get the IQ4_XS, Q3_K_M or Q2_K file of the model.'],
  [/^(tq|q1_0|q2_0)/, 'Ternary and binary weights are not computed with: get the Q2_K or Q4_0 file of the model.'],
  [/^q8_[1k]$/, 'It is a type of activations, which files do not hold: get the Q8_0 file of the model.'],
];
const CONVERT =
  'Convert the model to one of these types, or get a file of it that uses them (Q4_0, Q8_0 and Q4_K_M files do).';

/** @throws FormatError for a type without kernels, for a vector of blocks, and for rows that are no whole blocks */
export function checkWeightType({ name, type, fileName }: TensorEntry, shape: readonly number[]): WeightType {
  const isVector = shape.length === 1;
  if (!isWeightType(type) || (isVector && isQuantized(type))) {
    const types = WEIGHT_TYPES.filter((other) => !isVector || !isQuantized(other));
    throw new FormatError(`${fileName}: tensor ${name} has type ${type}; expected one of ${typesInWords(types)}. ${insteadOf(type)}`);
  }
  const { blockSize } = TENSOR_TYPES[type];
  if ((shape.at(-1) as number) % blockSize !== 0) {
    throw new FormatError(
      `${fileName}: tensor ${name} has rows of ${shape.at(-1)} values; expected a multiple of ${blockSize}, the length of ` +
        `a block of ${type}. Get a file of the model with another type.`,
    );
  }
  return type;
}

function insteadOf(type: TensorType): string {
  return INSTEAD.find(([types]) => types.test(type))?.[1] ?? CONVERT;
}
