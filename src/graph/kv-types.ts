/**
 * The types that keys and values are stored in, a record each. A type with groups has codes of few bits: consecutive values of one head's
 * key or value share a scale, and a code stands for itself times that. Groups of 16 divide every width of heads that models have.
 */
import { InputError } from '../tensor/errors.ts';

export type KvType = 'f32' | 'f16' | 'q8' | 'q4';

/** Of keys and values alike, or of keys and of values: `q8/q4`. */
export type KvChoice = KvType | `${KvType}/${KvType}`;

export interface KvRecord {
  /** Of one value, without its share of a scale. */
  readonly bits: 4 | 8 | 16 | 32;
  /** Undefined: values are floats, as they are. */
  readonly group?: KvGroup | undefined;
}

/**
 * Scales are bf16, which has f32's range: no key is too large or too small for it, and NaN and infinity in a group make all of it NaN.
 * A vector is the codes of its groups, then their scales, then a pad to a whole number of groups' codes (16 or 8 bytes), so that kernels
 * read those at a time.
 */
export interface KvGroup {
  readonly values: 16;
  readonly scaleBytes: 2;
  /**
   * What the value of the largest magnitude is divided by for the scale, which is rounded away from zero to bf16. `symmetric`: codes are
   * -levels..levels. `extreme`: the scale has the sign that makes this value's code -levels, and codes are -levels..levels - 1.
   */
  readonly levels: 127 | 8;
  readonly codes: 'symmetric' | 'extreme';
}

/**
 * 8-bit codes lie one after another. Of 4-bit ones, plus 8, a byte has two: byte b of a group's eight holds value 8 floor(b / 4) + b % 4 in
 * its low bits, and the value four later in its high ones, so that four bytes' low or high halves are four neighbours.
 */
export const KV_RECORDS: Readonly<Record<KvType, KvRecord>> = {
  f32: { bits: 32 },
  f16: { bits: 16 },
  q8: { bits: 8, group: { values: 16, scaleBytes: 2, levels: 127, codes: 'symmetric' } },
  q4: { bits: 4, group: { values: 16, scaleBytes: 2, levels: 8, codes: 'extreme' } },
};

export const KV_TYPES = Object.keys(KV_RECORDS) as readonly KvType[];

/** What keys and values are stored in. */
export interface KvTypes {
  readonly type: KvType;
  /** Of values, where it is not that of keys. */
  readonly valueType?: KvType | undefined;
}

export function isCodedKv(type: KvType): boolean {
  return KV_RECORDS[type].group !== undefined;
}

/** Groups of one head's key or value of `dim` values, the last one filled up with zeros. */
export function kvGroups(type: KvType, dim: number): number {
  return Math.ceil(dim / (KV_RECORDS[type].group?.values ?? 1));
}

/** Bytes of one head's key or value of `dim` values at one position. Devices may pad floats. */
export function kvVectorBytes(type: KvType, dim: number): number {
  const { bits, group } = KV_RECORDS[type];
  if (group === undefined) return (dim * bits) / 8;
  const codeBytes = (group.values * bits) / 8;
  const groups = kvGroups(type, dim);
  return codeBytes * (groups + Math.ceil((groups * group.scaleBytes) / codeBytes));
}

export function describeKvTypes({ type, valueType = type }: KvTypes): KvChoice {
  return type === valueType ? type : `${type}/${valueType}`;
}

/** @throws InputError for what is no type, or two that do not go together */
export function parseKvTypes(choice: KvChoice): KvTypes {
  const [type, valueType = type, ...rest] = String(choice).split('/') as KvType[];
  if (rest.length > 0 || ![type, valueType].every((name) => KV_TYPES.includes(name as KvType)))
    throw new InputError(
      `kvType must be one of ${KV_TYPES.join(', ')}, or two of them for keys and values as in "q8/q4", found ${JSON.stringify(choice)}.`,
    );
  if ((type === 'f32') !== (valueType === 'f32'))
    throw new InputError(`kvType ${JSON.stringify(choice)}: f32 goes with itself alone. Use it for both, or f16.`);
  return type === valueType ? { type: type as KvType } : { type: type as KvType, valueType };
}
