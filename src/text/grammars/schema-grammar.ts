/** JSON Schema (draft 2020-12, and what drafts 6 to 2019-09 say alike) as a grammar; docs/structured-output.md has it by keyword. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { describeValue } from '../../tensor/option-names.ts';
import { arrayNode } from './schema-array.ts';
import { Automaton, acceptsText } from './automaton.ts';
import { ANY_CODE } from './code-ranges.ts';
import { combine, countedDfa, wordsDfa } from './char-dfa.ts';
import { NOTHING, anyOf, choice, dfaNode, ruleOf } from './grammar-node.ts';
import type { CharDfa, GrammarNode, RuleNode } from './grammar-node.ts';
import type { ValueTexts } from './json-texts.ts';
import { numberDfa } from './number-dfa.ts';
import { anyFacts, saysNothing, saysNothingOfArrays, saysNothingOfNumbers, saysNothingOfObjects,
  saysNothingOfStrings } from './schema-facts.ts';
import type { JsonType, SchemaFacts, SchemaPlace } from './schema-facts.ts';
import { placeAt, schemaError } from './schema-keywords.ts';
import { checkPlainJson } from './plain-json.ts';
import { objectNode } from './schema-object.ts';
import type { SchemaBuilder } from './schema-builder.ts';
import { createSchemaReader } from './schema-reader.ts';
import type { SchemaReader } from './schema-reader.ts';
import { findTexts } from './texts-of-rules.ts';

export interface SchemaGrammarOptions {
  readonly texts: ValueTexts;
  /**
   * True: members in the schema's order, and none that the schema does not speak of unless it has `additionalProperties`. False: members in
   * any order, and what the schema does not speak of is allowed, as the standard has it.
   */
  readonly isStrict: boolean;
  /** JSON's own, by which values of an `enum` are tried. Default `texts`. */
  readonly json?: ValueTexts | undefined;
  /** How what is inside an array or an object is written. Default `texts`. */
  readonly inner?: ValueTexts | undefined;
  /** How a member's value is written where that depends on its name. */
  readonly ofMember?: ((name: string | undefined) => ValueTexts) | undefined;
}

/** Places of a schema in different company. */
const MOST_RULES = 4000;

/**
 * The texts of the values that a schema allows.
 * @throws InputError with the path of a part that cannot be obeyed, and for a schema of which no value is valid
 */
export function schemaGrammar(schema: JsonValue, options: SchemaGrammarOptions): GrammarNode {
  const builder = new Builder(schema, options);
  const node = builder.value([placeAt(schema, '#')]);
  if (!builder.hasTexts(node)) throw schemaError('#', 'no value is valid by it: its keywords contradict each other.');
  return node;
}

/**
 * The texts of the members of an object that a schema allows, as `texts.members` of the options writes them.
 * @throws InputError as {@link schemaGrammar}
 */
export function membersGrammar(schema: JsonValue, options: SchemaGrammarOptions): GrammarNode {
  const builder = new Builder(schema, options);
  const node = builder.membersOf(placeAt(schema, '#'));
  if (!builder.hasTexts(node)) throw schemaError('#', 'no object can be written by it.');
  return node;
}

class Builder implements SchemaBuilder {
  readonly texts: ValueTexts;
  readonly isStrict: boolean;
  readonly #root: JsonValue;
  readonly #reader: SchemaReader;
  readonly #rules = new Map<string, RuleNode>();
  readonly #known = new Set<RuleNode>();
  /** Where values of an `enum` are tried: in any order of members. */
  #checker: { readonly builder: Builder; readonly automaton: Automaton } | undefined;
  /** Rules to come, of all builders of one grammar: one after another, as a chain of them is longer than calls in calls. */
  readonly #unwritten: (() => void)[];
  readonly #json: ValueTexts;
  readonly #inner: Builder;
  readonly #ofMember: SchemaGrammarOptions['ofMember'];
  readonly #byTexts = new Map<ValueTexts, Builder>();

  /** Of how many grammars, each inside the one before, this one is, by which values are tried. */
  readonly #depth: number;

  constructor(
    root: JsonValue, { texts, isStrict, json = texts, inner = texts, ofMember }: SchemaGrammarOptions,
    unwritten: (() => void)[] = [], depth = 0,
  ) {
    this.#root = root;
    this.#depth = depth;
    this.#unwritten = unwritten;
    this.texts = texts;
    this.isStrict = isStrict;
    this.#json = json;
    this.#inner = inner === texts ? this : new Builder(root, { texts: inner, isStrict, json }, unwritten, depth);
    this.#ofMember = ofMember;
    this.#reader = createSchemaReader(root, (facts) => this.#isEmpty(facts));
  }

  value(places: readonly SchemaPlace[]): GrammarNode {
    const key = this.#reader.keyOf(places);
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const path = places.at(-1)?.path ?? '#';
    if (this.#rules.size >= MOST_RULES) throw schemaError(path, `it is of more than ${MOST_RULES} parts.`);
    const rule = ruleOf(path);
    this.#rules.set(key, rule);
    this.#unwritten.push(() => void (rule.body = choice(this.#reader.factsOf(places).map((facts) => this.#node(facts)))));
    return rule;
  }

  memberValue(name: string | undefined, places: readonly SchemaPlace[]): GrammarNode {
    if (this.#ofMember === undefined) return this.value(places);
    const texts = this.#ofMember(name);
    if (texts === this.#inner.texts) return this.#inner.value(places);
    const known = this.#byTexts.get(texts)
      ?? new Builder(
        this.#root, { texts, inner: this.#inner.texts, isStrict: this.isStrict, json: this.#json }, this.#unwritten, this.#depth,
      );
    this.#byTexts.set(texts, known);
    return known.value(places);
  }

  /** As an object's own texts, with no rule around. */
  membersOf(place: SchemaPlace): GrammarNode {
    const ways = this.#reader.factsOf([place]).filter(({ types }) => types.has('object'));
    return choice(ways.map((facts) => {
      if (facts.values !== undefined || facts.excluded.some((value) => isJsonObject(value)))
        throw schemaError(facts.path, 'an enum, a const or a not of whole objects cannot be said of the arguments of this form of calls.');
      return objectNode(this, facts);
    }));
  }

  hasTexts(node: GrammarNode): boolean {
    for (let write = this.#unwritten.pop(); write !== undefined; write = this.#unwritten.pop()) write();
    return findTexts(node, this.#known)(node);
  }

  constant(value: JsonValue, path: string): GrammarNode {
    if (Array.isArray(value)) {
      const items = value.map((item: JsonValue) => this.#inner.constant(item, path));
      return arrayNode(this.#inner, { prefix: items, rest: undefined, min: items.length, max: items.length, distinct: undefined });
    }
    if (!isJsonObject(value)) {
      const refusal = typeof value === 'string' ? this.texts.refusal(value, 'value') : undefined;
      if (refusal !== undefined) throw schemaError(path, refusal);
      return this.texts.word(value as string | number | boolean | null);
    }
    const members = Object.entries(value).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
    const any = anyFacts(path);
    return objectNode(this.#inner, {
      ...any,
      objects: {
        ...any.objects,
        required: new Set(members.map(([name]) => name)),
        parts: [{
          properties: new Map(members.map(([name, item]) => [name, placeAt({ const: item }, path)])),
          patterns: [], additional: placeAt(false, '#'),
        }],
      },
    });
  }

  stringTexts(places: readonly SchemaPlace[]): CharDfa {
    const ways = this.#reader.factsOf(places).filter(({ types }) => types.has('string'));
    if (ways.length !== 1) throw schemaError(places[0]?.path ?? '#',
      'names of properties can only be told by one schema of strings, without unions.');
    const facts = ways[0] as SchemaFacts;
    const dfa = this.#stringDfa(facts);
    if (facts.values === undefined) return dfa;
    return combine(dfa, wordsDfa(facts.values.filter((value) => typeof value === 'string')));
  }

  fewValues(places: readonly SchemaPlace[]): readonly JsonValue[] | undefined {
    const found = new Map<string, JsonValue>();
    for (const facts of this.#reader.factsOf(places)) {
      const small: JsonValue[] = [...(facts.types.has('boolean') ? [true, false] : []), ...(facts.types.has('null') ? [null] : [])];
      const isFew = facts.values !== undefined || [...facts.types].every((type) => type === 'boolean' || type === 'null');
      if (!isFew) return undefined;
      for (const value of facts.values === undefined ? small : this.#valid(facts)) found.set(JSON.stringify(value), value);
    }
    return [...found.values()];
  }

  #node(facts: SchemaFacts): GrammarNode {
    if (saysNothing(facts)) return this.texts.value;
    if (facts.values !== undefined) return anyOf(this.#valid(facts).map((value) => this.constant(value, facts.path)));
    return choice([...facts.types].map((type) => this.#ofType(type, facts)));
  }

  #ofType(type: JsonType, facts: SchemaFacts): GrammarNode {
    const { excluded, strings, arrays, objects, path } = facts;
    switch (type) {
      case 'null': return excluded.includes(null) ? NOTHING : this.texts.word(null);
      case 'boolean': return choice([true, false].filter((value) => !excluded.includes(value)).map((value) => this.texts.word(value)));
      case 'integer':
      case 'number': return this.#number(type, facts);
      case 'string': {
        const isPlain = strings.rules.length === 0 && !excluded.some((value) => typeof value === 'string');
        if (isPlain && strings.min > strings.max) return NOTHING;
        if (isPlain) return atPath(path, () => this.texts.string(strings.min, strings.max));
        return atPath(path, () => this.texts.stringOf(this.#stringDfa(facts)));
      }
      case 'array':
        if (excluded.some((value) => Array.isArray(value))) throw schemaError(path, 'arrays cannot be told by what they must not be.');
        return saysNothingOfArrays(arrays) ? this.texts.array : this.#inner.#array(facts);
      case 'object':
        if (excluded.some((value) => isJsonObject(value))) throw schemaError(path, 'objects cannot be told by what they must not be.');
        return saysNothingOfObjects(objects) ? this.texts.object : objectNode(this.#inner, facts);
      default: return type satisfies never;
    }
  }

  #array({ arrays: { parts, min, max, isUnique }, path }: SchemaFacts): GrammarNode {
    const placesAt = (index: number) => parts.flatMap(({ prefix, rest }) => prefix[index] ?? rest ?? []);
    const known = Math.max(0, ...parts.map(({ prefix }) => prefix.length));
    const prefix = Array.from({ length: known }, (_, i) => this.value(placesAt(i)));
    const restPlaces = placesAt(known);
    // As with members: strict arrays have no items that nothing is said of.
    const rest = this.isStrict && known > 0 && restPlaces.length === 0 ? undefined : this.value(restPlaces);
    if (!isUnique || max <= 1) return arrayNode(this, { prefix, rest, min, max, distinct: undefined });
    const values = known === 0 ? this.fewValues(restPlaces) : undefined;
    if (values === undefined || values.length > 1000)
      throw schemaError(`${path}/uniqueItems`, 'items that must differ can only be obeyed where all are of one enum, without prefixItems.');
    return arrayNode(this, { prefix, rest: undefined, min, max, distinct: values.map((value) => this.constant(value, path)) });
  }

  #number(type: 'number' | 'integer', { numbers, excluded, path }: SchemaFacts): GrammarNode {
    const isWhole = type === 'integer' || numbers.multipleOf !== undefined;
    const others = excluded.filter((value) => typeof value === 'number');
    if (saysNothingOfNumbers(numbers) && others.length === 0) return isWhole ? this.texts.integer : this.texts.number;
    if ((numbers.min ?? -Infinity) > (numbers.max ?? Infinity)) return NOTHING;
    const all = isWhole ? this.texts.integerDfa : this.texts.numberDfa;
    const within = saysNothingOfNumbers(numbers) ? all : numberDfa({ ...numbers, multipleOf: isWhole ? (numbers.multipleOf ?? 1)
      : undefined });
    // Each number that is left out, as decimals without an exponent write it.
    const dfa = others.reduce((rest, value) => {
      const text = String(value);
      if (/e/iu.test(text) || (!isWhole && saysNothingOfNumbers(numbers)))
        throw schemaError(path, `the number ${text} cannot be left out of numbers that may have an exponent.`);
      const digits = `${value === 0 ? '-?' : ''}${text.replace('.', '\\.')}`;
      return combine(rest, this.texts.regex(`${digits}${text.includes('.') ? '0*' : '(?:\\.0+)?'}`, false), { less: true });
    }, within);
    return ruleOf('number', dfaNode(dfa, 'text'));
  }

  #stringDfa({ strings: { min, max, rules }, excluded, path }: SchemaFacts): CharDfa {
    return atPath(path, () => {
      let dfa = countedDfa(ANY_CODE, min, max);
      // Few states first: what is looked for in all lengths comes last.
      const required = rules.filter(({ isNot }) => !isNot).map(({ pattern, isSearch }) => this.texts.regex(pattern, isSearch));
      if (required.length > 0) {
        dfa = required.reduce((a, b) => combine(a, b));
        if (!saysNothingOfStrings({ min, max, rules: [] })) dfa = combine(dfa, countedDfa(ANY_CODE, min, max));
      }
      for (const { pattern, isSearch, isNot } of rules) if (isNot) dfa = combine(dfa, this.texts.regex(pattern, isSearch), { less: true });
      const words = excluded.filter((value) => typeof value === 'string');
      return words.length === 0 ? dfa : combine(dfa, wordsDfa(words), { less: true });
    });
  }

  /** Values of an `enum` that the other keywords allow. */
  #valid(facts: SchemaFacts): readonly JsonValue[] {
    const { values = [] } = facts;
    const rest: SchemaFacts = { ...facts, values: undefined };
    if (saysNothing(rest)) return values;
    this.#checker ??= { builder: this.#apart(facts.path), automaton: new Automaton() };
    const { builder, automaton } = this.#checker;
    const node = builder.#node(rest);
    if (!builder.hasTexts(node)) return [];
    return values.filter((value) => acceptsText(automaton, node, JSON.stringify(value)));
  }

  #isEmpty(facts: SchemaFacts): boolean {
    const apart = this.#apart(facts.path);
    return !apart.hasTexts(apart.#node(facts));
  }

  /** Apart from this builder, some of whose rules have no body yet. */
  #apart(path: string): Builder {
    if (this.#depth >= 200) throw schemaError(path, 'enums and unions, each tried by the one inside it, are nested more than 200 deep.');
    return new Builder(this.#root, { texts: this.#json, isStrict: false }, [], this.#depth + 1);
  }
}

/** Says in an error at which part of the schema it came, unless it says so. */
function atPath<Result>(path: string, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof InputError) || error.message.startsWith('The schema at ')) throw error;
    throw schemaError(path, error.message);
  }
}

/** A schema that someone passed: plain JSON. @throws InputError for what is none */
export function checkedSchema(schema: unknown): JsonValue {
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema)))
    throw new InputError(`A schema must be an object of JSON Schema, true or false, found ${describeValue(schema)}.`);
  checkPlainJson(schema, '#');
  return JSON.parse(JSON.stringify(schema)) as JsonValue;
}
