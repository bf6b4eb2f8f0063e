/** What a schema says of a value, once its references and unions are gone: one way of being valid, by type. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { canonicalText } from './json-texts.ts';
import type { NumberBounds } from './number-dfa.ts';

export type JsonType = 'null' | 'boolean' | 'object' | 'array' | 'number' | 'integer' | 'string';

/** A schema, where it stands, and whether it is what must not hold. */
export interface SchemaPlace {
  readonly schema: JsonValue | undefined;
  /** `#/properties/name` */
  readonly path: string;
  readonly isNot: boolean;
}

/** An expression that a string's text must be in, or must not. */
export interface TextRule {
  readonly pattern: string;
  /** Else the whole text has to match. */
  readonly isSearch: boolean;
  readonly isNot: boolean;
}

/** What one schema object says of members: what holds of others depends on those it names. */
export interface ObjectPart {
  readonly properties: ReadonlyMap<string, SchemaPlace>;
  readonly patterns: readonly { readonly pattern: string; readonly place: SchemaPlace }[];
  /** Of all other members; undefined: nothing is said. */
  readonly additional: SchemaPlace | undefined;
}

export interface ArrayPart {
  readonly prefix: readonly SchemaPlace[];
  readonly rest: SchemaPlace | undefined;
}

export interface SchemaFacts {
  /** Where it stands, for messages. */
  readonly path: string;
  readonly types: ReadonlySet<JsonType>;
  /** The only values that may be; undefined: any. */
  readonly values: readonly JsonValue[] | undefined;
  readonly excluded: readonly JsonValue[];
  readonly numbers: NumberBounds;
  readonly strings: { readonly min: number; readonly max: number; readonly rules: readonly TextRule[] };
  readonly arrays: { readonly parts: readonly ArrayPart[]; readonly min: number; readonly max: number; readonly isUnique: boolean };
  readonly objects: {
    readonly parts: readonly ObjectPart[];
    readonly required: ReadonlySet<string>;
    /** Members that must be there where another is. */
    readonly dependent: readonly { readonly name: string; readonly needs: readonly string[] }[];
    readonly names: readonly SchemaPlace[];
    readonly min: number;
    readonly max: number;
  };
}

export const ALL_TYPES: ReadonlySet<JsonType> = new Set(['null', 'boolean', 'object', 'array', 'number', 'string']);

export function anyFacts(path: string): SchemaFacts {
  return {
    path, types: ALL_TYPES, values: undefined, excluded: [],
    numbers: { isMinOut: false, isMaxOut: false, multipleOf: undefined },
    strings: { min: 0, max: Infinity, rules: [] },
    arrays: { parts: [], min: 0, max: Infinity, isUnique: false },
    objects: { parts: [], required: new Set(), dependent: [], names: [], min: 0, max: Infinity },
  };
}

/** Whether everything is valid. */
export function saysNothing({ types, values, excluded, numbers, strings, arrays, objects }: SchemaFacts): boolean {
  return types.size === ALL_TYPES.size && [...ALL_TYPES].every((type) => types.has(type)) && values === undefined && excluded.length === 0
    && saysNothingOfNumbers(numbers) && saysNothingOfStrings(strings) && saysNothingOfArrays(arrays) && saysNothingOfObjects(objects);
}

export const saysNothingOfNumbers = ({ min, max, multipleOf }: NumberBounds): boolean =>
  min === undefined && max === undefined && multipleOf === undefined;
export const saysNothingOfStrings = ({ min, max, rules }: SchemaFacts['strings']): boolean =>
  min === 0 && max === Infinity && rules.length === 0;
export const saysNothingOfArrays = ({ parts, min, max, isUnique }: SchemaFacts['arrays']): boolean =>
  parts.length === 0 && min === 0 && max === Infinity && !isUnique;
export const saysNothingOfObjects = ({ parts, required, dependent, names, min, max }: SchemaFacts['objects']): boolean =>
  parts.length === 0 && required.size === 0 && dependent.length === 0 && names.length === 0 && min === 0 && max === Infinity;

function commonTypes(a: ReadonlySet<JsonType>, b: ReadonlySet<JsonType>): ReadonlySet<JsonType> {
  const has = (set: ReadonlySet<JsonType>, type: JsonType) => set.has(type) || (type === 'integer' && set.has('number'));
  return new Set([...new Set([...a, ...b])].filter((type) => has(a, type) && has(b, type)));
}

function leastCommonMultiple(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

function bothBounds(a: NumberBounds, b: NumberBounds): NumberBounds {
  const [aMin, bMin, aMax, bMax] = [a.min ?? -Infinity, b.min ?? -Infinity, a.max ?? Infinity, b.max ?? Infinity];
  const [min, max] = [Math.max(aMin, bMin), Math.min(aMax, bMax)];
  return {
    min: min === -Infinity ? undefined : min, max: max === Infinity ? undefined : max,
    isMinOut: (aMin === min && a.isMinOut) || (bMin === min && b.isMinOut),
    isMaxOut: (aMax === max && a.isMaxOut) || (bMax === max && b.isMaxOut),
    multipleOf: leastCommonMultiple(a.multipleOf, b.multipleOf),
  };
}

function commonValues(a: SchemaFacts['values'], b: SchemaFacts['values']): SchemaFacts['values'] {
  if (a === undefined || b === undefined) return a ?? b;
  const others = new Set(b.map(canonicalText));
  return a.filter((value) => others.has(canonicalText(value)));
}

/** What is valid by both. */
export function bothFacts(a: SchemaFacts, b: SchemaFacts): SchemaFacts {
  return {
    path: b.path === '#' ? a.path : b.path,
    types: commonTypes(a.types, b.types),
    values: commonValues(a.values, b.values),
    excluded: [...a.excluded, ...b.excluded],
    numbers: bothBounds(a.numbers, b.numbers),
    strings: {
      min: Math.max(a.strings.min, b.strings.min), max: Math.min(a.strings.max, b.strings.max),
      rules: [...a.strings.rules, ...b.strings.rules],
    },
    arrays: {
      parts: [...a.arrays.parts, ...b.arrays.parts], min: Math.max(a.arrays.min, b.arrays.min), max: Math.min(a.arrays.max, b.arrays.max),
      isUnique: a.arrays.isUnique || b.arrays.isUnique,
    },
    objects: {
      parts: [...a.objects.parts, ...b.objects.parts],
      required: new Set([...a.objects.required, ...b.objects.required]),
      dependent: [...a.objects.dependent, ...b.objects.dependent],
      names: [...a.objects.names, ...b.objects.names],
      min: Math.max(a.objects.min, b.objects.min), max: Math.min(a.objects.max, b.objects.max),
    },
  };
}
