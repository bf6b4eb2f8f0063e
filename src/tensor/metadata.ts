/**
 * Typed look-ups in a checkpoint's metadata: undefined where a key is absent, an error where its value is of another type.
 * `where` is the file, for messages.
 */
import type { MetadataValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';

export type Metadata = ReadonlyMap<string, MetadataValue>;

/** @throws FormatError for a value that is not a number, or is an integer beyond 2^53. */
export function metadataNumber(metadata: Metadata, key: string, where: string): number | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'number') return value;
  throw wrongType(where, key, 'a number', value);
}

/** @throws FormatError for a value that is not a string. */
export function metadataString(metadata: Metadata, key: string, where: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'string') return value;
  throw wrongType(where, key, 'a string', value);
}

/** @throws FormatError for a value that is not a boolean. */
export function metadataBoolean(metadata: Metadata, key: string, where: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrongType(where, key, 'a boolean', value);
}

/** @throws FormatError for a value that is not an array of strings. */
export function metadataStrings(metadata: Metadata, key: string, where: string): readonly string[] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw wrongType(where, key, 'an array of strings', value);
}

/** @throws FormatError for a value that is not an array of numbers (integers beyond 2^53 are not). */
export function metadataNumbers(metadata: Metadata, key: string, where: string): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
  throw wrongType(where, key, 'an array of numbers', value);
}

function wrongType(where: string, key: string, expected: string, value: MetadataValue): FormatError {
  return new FormatError(
    `${where}: the metadata key ${JSON.stringify(key)} must be ${expected}, found ${describe(value)}. The file is damaged.`,
  );
}

function describe(value: MetadataValue): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 80))}`;
  if (typeof value !== 'object') return `${typeof value} ${value}`;
  if (ArrayBuffer.isView(value)) return `an array of ${value.length} numbers`;
  return `an array of ${value.length} items, the first of them ${value.length === 0 ? 'absent' : typeof value[0]}`;
}
