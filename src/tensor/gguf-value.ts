/**
 * Metadata values with the type that GGUF stores them as. Readers give plain values (`MetadataValue`); whoever makes a
 * file has to say which of the thirteen types a number gets, because other readers insist on theirs.
 */

export type GgufScalarType =
  'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32' | 'bool' | 'string' | 'uint64' | 'int64' | 'float64';

type ScalarValue<Type extends GgufScalarType> = Type extends 'string'
  ? string
  : Type extends 'bool'
    ? boolean
    : Type extends 'uint64' | 'int64'
      ? number | bigint
      : number;

export type GgufScalar = { readonly [Type in GgufScalarType]: { readonly type: Type; readonly value: ScalarValue<Type> } }[GgufScalarType];

export type GgufArray = {
  readonly [Type in GgufScalarType]: { readonly type: 'array'; readonly itemType: Type; readonly value: ArrayLike<ScalarValue<Type>> };
}[GgufScalarType];

/** An array whose items are arrays. */
export interface GgufNestedArray {
  readonly type: 'array';
  readonly itemType: 'array';
  readonly value: ArrayLike<GgufArray | GgufNestedArray>;
}

export type GgufValue = GgufScalar | GgufArray | GgufNestedArray;

/** Key values in the order in which they are written. */
export type GgufMetadata = Map<string, GgufValue>;

export const uint32 = (value: number): GgufValue => ({ type: 'uint32', value });
export const int32 = (value: number): GgufValue => ({ type: 'int32', value });
export const float32 = (value: number): GgufValue => ({ type: 'float32', value });
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
export const string = (value: string): GgufValue => ({ type: 'string', value });
export const strings = (value: ArrayLike<string>): GgufValue => ({ type: 'array', itemType: 'string', value });
export const bools = (value: ArrayLike<boolean>): GgufValue => ({ type: 'array', itemType: 'bool', value });
export const float32s = (value: ArrayLike<number>): GgufValue => ({ type: 'array', itemType: 'float32', value });
export const int32s = (value: ArrayLike<number>): GgufValue => ({ type: 'array', itemType: 'int32', value });
