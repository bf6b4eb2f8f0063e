/**
 * Reads schemas into facts: references are followed, `allOf` is joined, unions become several facts, of which one has to hold. What must
 * not hold is turned into what must, where that can be said (`schema-negation.ts`).
 */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { anyFacts, bothFacts } from './schema-facts.ts';
import type { SchemaFacts, SchemaPlace } from './schema-facts.ts';
import { below, factsOfKeyword, isJoining, keywordsOf, placeAt, schemaError } from './schema-keywords.ts';
import { negatedKeyword } from './schema-negation.ts';

/** Ways of being valid that one value may have. */
const MOST_WAYS = 200;
/** Schemas inside or behind each other, with no property or item between: they are read by calls in calls. */
const MOST_OPEN = 700;
/** Schemas that are read for one place, each as often as it is referred to: references to references double. */
const MOST_READS = 100_000;

export interface SchemaReader {
  /** The ways in which a value may be valid by all of these. */
  factsOf(places: readonly SchemaPlace[]): readonly SchemaFacts[];
  /** The same text for the same schemas. */
  keyOf(places: readonly SchemaPlace[]): string;
}

/** @param isEmpty whether no value is valid by these facts */
export function createSchemaReader(root: JsonValue, isEmpty: (facts: SchemaFacts) => boolean): SchemaReader {
  return new Reader(root, isEmpty);
}

class Reader implements SchemaReader {
  readonly #root: JsonValue;
  readonly #isEmpty: (facts: SchemaFacts) => boolean;
  readonly #ids = new Map<unknown, number>();
  /** Schemas that are being read, each inside the one before. */
  readonly #open: string[] = [];
  #reads = 0;

  constructor(root: JsonValue, isEmpty: (facts: SchemaFacts) => boolean) {
    this.#root = root;
    this.#isEmpty = isEmpty;
  }

  keyOf(places: readonly SchemaPlace[]): string {
    const ids = places.map((place) => this.#idOf(place));
    return [...new Set(ids)].sort().join();
  }

  #idOf({ schema, isNot }: SchemaPlace): string {
    let id = this.#ids.get(schema);
    if (id === undefined) this.#ids.set(schema, (id = this.#ids.size));
    return `${isNot ? '!' : ''}${id}`;
  }

  factsOf(places: readonly SchemaPlace[]): readonly SchemaFacts[] {
    const path = places.at(-1)?.path ?? '#';
    this.#reads = 0;
    return this.#product(places.map((place) => () => this.#read(place)), path);
  }

  /** Ways by which all hold. */
  #product(parts: readonly (() => readonly SchemaFacts[])[], path: string): SchemaFacts[] {
    let ways = [anyFacts(path)];
    for (const part of parts) {
      const others = part();
      ways = ways.flatMap((way) => others.map((other) => bothFacts(way, other))).filter(({ types, values }) => types.size > 0
        && values?.length !== 0);
      if (ways.length > MOST_WAYS) throw schemaError(path, `its unions together make more than ${MOST_WAYS} cases. Make it of fewer.`);
    }
    return ways;
  }

  #read(place: SchemaPlace): readonly SchemaFacts[] {
    const { schema, path, isNot } = place;
    if (typeof schema === 'boolean') return schema === isNot ? [] : [anyFacts(path)];
    if (!isJsonObject(schema)) throw schemaError(path, `expected an object, true or false, found ${describeJson(schema)}.`);
    if (++this.#reads > MOST_READS) throw schemaError(path, 'its unions and references together make too many cases. Make it of fewer.');
    const id = this.#idOf(place);
    if (this.#open.includes(id)) throw schemaError(path, 'it refers to itself with no property or item between, so that it means nothing.');
    if (this.#open.length >= MOST_OPEN)
      throw schemaError(path, `it is behind more than ${MOST_OPEN} references and unions, one in the other. Refer to it from nearer.`);
    this.#open.push(id);
    try {
      const keywords = keywordsOf(schema, path);
      if (isNot) return keywords.flatMap((keyword) => this.#readNot(schema, keyword, path));
      return this.#product(keywords.map((keyword) => () => this.#readKeyword(schema, keyword, path)), path);
    } finally {
      this.#open.pop();
    }
  }

  #readKeyword(schema: JsonObject, keyword: string, path: string): readonly SchemaFacts[] {
    const value = schema[keyword];
    const at = below(path, keyword);
    if (!isJoining(keyword)) return [factsOfKeyword(schema, keyword, path)];
    switch (keyword) {
      case '$ref': return this.#read(this.#target(value, at));
      case 'allOf': return this.#product(listOf(value, at).map((place) => () => this.#read(place)), at);
      case 'anyOf': return listOf(value, at).flatMap((place) => this.#read(place));
      case 'oneOf': return this.#oneOf(listOf(value, at), at);
      case 'not': return this.#read({ ...placeAt(value, at), isNot: true });
      case 'if': return this.#condition(schema, path);
      // With `if`, or without meaning.
      default: return [anyFacts(path)];
    }
  }

  /** As {@link #readKeyword}, of what breaks the keyword. */
  #readNot(schema: JsonObject, keyword: string, path: string): readonly SchemaFacts[] {
    const value = schema[keyword];
    const at = below(path, keyword);
    const not = (place: SchemaPlace): SchemaPlace => ({ ...place, isNot: true });
    switch (keyword) {
      case '$ref': return this.#read(not(this.#target(value, at)));
      case 'allOf': return listOf(value, at).flatMap((place) => this.#read(not(place)));
      case 'anyOf': return this.#product(listOf(value, at).map((place) => () => this.#read(not(place))), at);
      case 'not': return this.#read(placeAt(value, at));
      default: return negatedKeyword(schema, keyword, path);
    }
  }

  /** Exactly one: where two can hold at once, each with the others denied. */
  #oneOf(places: readonly SchemaPlace[], at: string): readonly SchemaFacts[] {
    const overlaps = places.some((place, i) => places.slice(0, i).some((other) => !this.#areApart(place, other)));
    if (!overlaps) return places.flatMap((place) => this.#read(place));
    return places.flatMap((place, i) => {
      const others = places.filter((_, j) => j !== i).map((other): SchemaPlace => ({ ...other, isNot: true }));
      return this.#product([place, ...others].map((each) => () => this.#read(each)), at);
    });
  }

  #areApart(a: SchemaPlace, b: SchemaPlace): boolean {
    return this.#product([() => this.#read(a), () => this.#read(b)], a.path).every((facts) => this.#isEmpty(facts));
  }

  #condition(schema: JsonObject, path: string): readonly SchemaFacts[] {
    const [condition, then, otherwise] = ['if', 'then', 'else'].map((keyword) => placeAt(schema[keyword] ?? true, below(path, keyword)));
    const both = (a: SchemaPlace, b: SchemaPlace) => this.#product([() => this.#read(a), () => this.#read(b)], path);
    if (condition === undefined || then === undefined || otherwise === undefined || (schema['then'] === undefined
      && schema['else'] === undefined))
      return [anyFacts(path)];
    return [...both(condition, then), ...both({ ...condition, isNot: true }, otherwise)];
  }

  #target(ref: JsonValue | undefined, at: string): SchemaPlace {
    if (typeof ref !== 'string' || !/^#(?:\/|$)/u.test(ref))
      throw schemaError(at, `only references within the schema can be followed (# or #/...), found ${describeJson(ref)}.`);
    let schema: JsonValue | undefined = this.#root;
    for (const part of ref.split('/').slice(1)) {
      const name = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
      schema = typeof schema === 'object' && schema !== null && Object.hasOwn(schema, name) ? (schema as JsonObject)[name] : undefined;
    }
    if (schema === undefined) throw schemaError(at, `nothing is at ${ref}.`);
    return placeAt(schema, ref);
  }
}

/** A part of a reference, whose percent signs may be plain ones. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function listOf(value: JsonValue | undefined, at: string): SchemaPlace[] {
  if (!Array.isArray(value) || value.length === 0) throw schemaError(at, `expected an array of schemas, found ${describeJson(value)}.`);
  return value.map((schema: JsonValue, i: number) => placeAt(schema, below(at, i)));
}
