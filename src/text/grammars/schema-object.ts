/** Objects, member by member: each named one at most once, those that must be there before the end. */
import { combine, countedDfa, isEmptyDfa, acceptsText, wordsDfa } from './char-dfa.ts';
import { ANY_CODE } from './code-ranges.ts';
import { compareBytes, sequence } from './grammar-node.ts';
import type { CharDfa, GrammarNode, StepsNode } from './grammar-node.ts';
import type { ObjectPart, SchemaFacts, SchemaPlace } from './schema-facts.ts';
import type { SchemaBuilder } from './schema-builder.ts';
import { below, schemaError } from './schema-keywords.ts';

/** Patterns of names of one object: each name may match any of them. */
const MOST_PATTERNS = 5;

interface NamedMember {
  readonly name: string;
  readonly node: GrammarNode;
  readonly value: GrammarNode;
  readonly isRequired: boolean;
  /** Members that must be there with it, by index; not those that must be there with these. */
  readonly needs: readonly number[];
}

/** A member whose name is told by an automaton. */
interface OtherMember {
  readonly node: GrammarNode;
  readonly value: GrammarNode;
}

interface Members {
  readonly named: readonly NamedMember[];
  readonly others: readonly OtherMember[];
  readonly min: number;
  readonly max: number;
  readonly isOrdered: boolean;
}

export function objectNode(builder: SchemaBuilder, facts: SchemaFacts): GrammarNode {
  const { open, close } = builder.texts.members;
  const { objects: { min, max }, path } = facts;
  const named = namedMembers(builder, facts);
  const others = otherMembers(builder, facts, named.map(({ name }) => name));
  // A name that is no member's own may come twice in a text, so that only the first of them is sure to count.
  if (others.length > 0 && min > named.length + 1)
    throw schemaError(below(path, 'minProperties'),
      `at least ${min} members can only be obeyed where all but one of them are named in properties.`);
  const steps = memberSteps(builder, { named, others, min, max, isOrdered: builder.isStrict });
  return sequence(open, steps, close);
}

function partPlaces(builder: SchemaBuilder, part: ObjectPart, name: string): SchemaPlace[] {
  const own = part.properties.get(name);
  const matching = part.patterns.filter(({ pattern }) => acceptsText(builder.texts.regex(pattern, true), name)).map(({ place }) => place);
  const places = [...(own === undefined ? [] : [own]), ...matching];
  return places.length > 0 || part.additional === undefined ? places : [part.additional];
}

/** The strict reading: where some part names members, and none speaks of others, there are no others. */
function allowsOthers(builder: SchemaBuilder, { objects: { parts } }: SchemaFacts): boolean {
  const names = parts.some(({ properties, patterns }) => properties.size > 0 || patterns.length > 0);
  return !builder.isStrict || !names || parts.some(({ additional }) => additional !== undefined);
}

function namedMembers(builder: SchemaBuilder, facts: SchemaFacts): NamedMember[] {
  const { parts, required, dependent, names } = facts.objects;
  const declared = new Set([
    ...parts.flatMap(({ properties }) => [...properties.keys()]), ...required, ...dependent.flatMap(({ name, needs }) => [name, ...needs]),
  ]);
  const allowed = names.length === 0 ? undefined : builder.stringTexts(names);
  const order = [...declared];
  const indexes = new Map(order.map((name, index) => [name, index]));
  const needs = order.map(() => new Set<number>());
  for (const { name, needs: others } of dependent)
    for (const other of others) if (other !== name) needs[indexes.get(name)!]!.add(indexes.get(other)!);
  return order.map((name, index) => {
    const { members } = builder.texts;
    const places = parts.flatMap((part) => partPlaces(builder, part, name));
    const isKnown = places.length > 0 || required.has(name) || allowsOthers(builder, facts);
    const isNameAllowed = allowed === undefined || acceptsText(allowed, name);
    const refusal = builder.texts.refusal(name, 'name');
    if (refusal !== undefined) throw schemaError(below(facts.path, 'properties', name), refusal);
    const value = builder.memberValue(name, isKnown && isNameAllowed ? places : [{ schema: false, path: facts.path, isNot: false }]);
    const node = members.member(name, value);
    return { name, value, node, isRequired: required.has(name), needs: [...needs[index]!] };
  });
}

/** For each way in which a name may match patterns, the automaton of such names that are not members' own, and what their values are. */
function otherMembers(builder: SchemaBuilder, facts: SchemaFacts, own: readonly string[]): OtherMember[] {
  const { objects: { parts, names }, path } = facts;
  const { members } = builder.texts;
  const patterns = [...new Set(parts.flatMap((part) => part.patterns.map(({ pattern }) => pattern)))];
  if (patterns.length > MOST_PATTERNS)
    throw schemaError(below(path, 'patternProperties'), `at most ${MOST_PATTERNS} patterns can be told apart, found ${patterns.length}.`);
  let all = names.length === 0 ? countedDfa(ANY_CODE, 0, Infinity) : builder.stringTexts(names);
  if (own.length > 0) all = combine(all, wordsDfa(own), { less: true });
  const found: OtherMember[] = [];
  for (let chosen = 0; chosen < 1 << patterns.length; chosen++) {
    const matched = new Set(patterns.filter((_, i) => ((chosen >> i) & 1) === 1));
    if (matched.size === 0 && !allowsOthers(builder, facts)) continue;
    const places = parts.flatMap(({ patterns: ownPatterns, additional }) => {
      const matching = ownPatterns.filter(({ pattern }) => matched.has(pattern)).map(({ place }) => place);
      return matching.length > 0 || additional === undefined ? matching : [additional];
    });
    const dfa = patterns.reduce<CharDfa>(
      (rest, pattern) => combine(rest, builder.texts.regex(pattern, true), { less: !matched.has(pattern) }), all);
    if (isEmptyDfa(dfa) || places.some(({ schema, isNot }) => schema === isNot)) continue;
    const value = builder.memberValue(undefined, places);
    const node = members.member(dfa, value);
    found.push({ node, value });
  }
  return found;
}

/** A place: how many others there are, the named member that came last, a mark for each that is there, and whether the separator is too. */
interface Place {
  readonly others: number;
  readonly last: number;
  readonly marks: string;
  readonly isBehindSeparator: boolean;
}

const textOf = ({ others, last, marks, isBehindSeparator }: Place): string => `${isBehindSeparator ? 's' : 'o'}${others}.${last}.${marks}`;

function placeOf(text: string): Place {
  const [others = '', last = '', marks = ''] = text.slice(1).split('.');
  return { others: Number(others), last: Number(last), marks, isBehindSeparator: text.startsWith('s') };
}

/**
 * With one member more. Where members come in order and nobody asks which of them were left out, all up to the last one count as there: so
 * that places are as many as members, and not as many as ways to leave some out.
 */
function marksWith({ named, min, max, isOrdered }: Members, marks: string, index: number): string {
  const areAlike = isOrdered && min <= 1 && max === Infinity && named.every(({ needs }) => needs.length === 0);
  return `${areAlike ? '1'.repeat(index) : marks.slice(0, index)}1${marks.slice(index + 1)}`;
}

const isThere = (marks: string, index: number): boolean => marks[index] === '1';
const countThere = (marks: string): number => marks.replaceAll('0', '').length;

/** Which members have a value. */
interface Usable {
  readonly named: readonly boolean[];
  readonly hasOthers: boolean;
}

function memberSteps(builder: SchemaBuilder, members: Members): StepsNode {
  const { named, others, min, max, isOrdered } = members;
  const { separator } = builder.texts.members;
  let usable: { readonly can: Usable; readonly others: readonly GrammarNode[] } | undefined;
  const use = () => {
    const own = others.filter(({ value }) => builder.hasTexts(value)).map(({ node }) => node);
    return { can: { named: named.map(({ value }) => builder.hasTexts(value)), hasOthers: own.length > 0 }, others: own };
  };
  const start: Place = { others: 0, last: -1, marks: '0'.repeat(named.length), isBehindSeparator: false };
  // Further others than the first count for nothing where there is no greatest number.
  const mostOthers = max === Infinity ? 1 : max;
  const byName = namesOf(named);
  /** The members that may be next, and the place after each. */
  const membersAt = (place: Place) => {
    const { can, others: usableOthers } = (usable ??= use());
    const canBeNext = nextMembers(members, place, can);
    const after = (index: number) => textOf({
      others: place.others, last: isOrdered ? index : -1, isBehindSeparator: false, marks: marksWith(members, place.marks, index),
    });
    const next = (byName?.map(({ index }) => index) ?? [...named.keys()]).filter(canBeNext);
    const found = byName === undefined || next.length < 2
      ? next.map((index) => ({ node: (named[index] as NamedMember).node, to: after(index) }))
      : [{ node: namesAt(byName.filter(({ index }) => canBeNext(index)), (index) => stepsFrom(after(index))), to: undefined }];
    const withOther: Place = { ...place, others: Math.min(place.others + 1, mostOthers), isBehindSeparator: false };
    const isFull = place.others + countThere(place.marks) >= max;
    if (isFull || !canReachEnd(members, withOther, can)) return found;
    return [...found, ...usableOthers.map((node) => ({ node, to: textOf(withOther) }))];
  };
  const from = new Map<string, StepsNode>();
  const stepsFrom = (at: string): StepsNode => {
    const known = from.get(at) ?? { ...steps, start: at };
    from.set(at, known);
    return known;
  };
  const steps: StepsNode = {
    kind: 'steps', start: textOf(start), parts: [...named.map(({ value }) => value), ...others.map(({ value }) => value)],
    hasTexts: (has) => canReachEnd(members, start, { named: named.map(({ value }) => has(value)),
      hasOthers: others.some(({ value }) => has(value)) }),
    endsAt(at) {
      const place = placeOf(at);
      if (place.isBehindSeparator) return false;
      return needed(members, place.marks).length === 0 && countThere(place.marks) + Math.min(1, place.others) >= min;
    },
    follow(at) {
      const place = placeOf(at);
      const isFirst = place.others === 0 && countThere(place.marks) === 0;
      const found = membersAt(place);
      if (isFirst || place.isBehindSeparator || found.length === 0) return found;
      return [{ node: separator, to: textOf({ ...place, isBehindSeparator: true }) }];
    },
  };
  return steps;
}

/** A member whose text begins with bytes of its own: its name. */
interface NamedText {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly rest: GrammarNode;
}

/** In the order of their bytes; undefined where some name is more than a text. */
function namesOf(named: readonly NamedMember[]): readonly NamedText[] | undefined {
  const texts = named.flatMap(({ node }, index): NamedText[] => {
    const [first, ...rest] = node.kind === 'sequence' ? node.items : [];
    return first?.kind === 'bytes' && first.bytes.length > 0 ? [{ index, bytes: first.bytes, rest: sequence(...rest) }] : [];
  });
  const sorted = texts.toSorted((a, b) => compareBytes(a.bytes, b.bytes));
  const areAlike = sorted.some(({ bytes }, i) => i > 0 && compareBytes(bytes, (sorted[i - 1] as NamedText).bytes) === 0);
  return texts.length < named.length || areAlike ? undefined : sorted;
}

/** One of the names, which are told apart as a choice of texts is, however many they are; then its value, and what follows it. */
function namesAt(names: readonly NamedText[], after: (index: number) => GrammarNode): GrammarNode {
  const made: GrammarNode[] = [];
  return {
    kind: 'words', words: names.map(({ bytes }) => bytes),
    after(i) {
      const { rest, index } = names[i] as NamedText;
      return (made[i] ??= sequence(rest, after(index)));
    },
  };
}

/** Members that are not there and must be. */
function needed({ named }: Members, marks: string): number[] {
  const found = new Set<number>();
  for (const [index, { isRequired, needs }] of named.entries()) {
    if (isRequired && !isThere(marks, index)) found.add(index);
    if (!isRequired && !isThere(marks, index)) continue;
    for (const need of needs) if (!isThere(marks, need)) found.add(need);
  }
  for (const index of found) for (const need of named[index]?.needs ?? []) if (!isThere(marks, need)) found.add(need);
  return [...found];
}

function canReachEnd(members: Members, place: Place, can: Usable): boolean {
  const { named, max, isOrdered } = members;
  const { marks, last, others } = place;
  const missing = needed(members, marks);
  const isReachable = (index: number) => can.named[index] === true && (!isOrdered || index > last);
  if (!missing.every(isReachable)) return false;
  const there = countThere(marks);
  if (there + others + missing.length > max) return false;
  const open = named.filter((_, index) => !isThere(marks, index) && isReachable(index)).length;
  return mostMembers(members, { there, open, others }, can) >= members.min;
}

/** A further optional member may bring others with it: as many as can be, less what the greatest number leaves. */
function mostMembers({ max }: Members, count: { readonly there: number; readonly open: number; readonly others: number }, can: Usable) {
  return Math.min(count.there + count.open + Math.min(1, count.others + (can.hasOthers ? 1 : 0)), max);
}

/** As {@link canReachEnd} with a named member more, for each of them: what is the same for all is looked for once. */
function nextMembers(members: Members, place: Place, can: Usable): (index: number) => boolean {
  const { named, min, max, isOrdered } = members;
  const { marks, last, others } = place;
  const missing = needed(members, marks);
  const isMissing = new Set(missing);
  const [first = Infinity, second = Infinity] = missing.toSorted((a, b) => a - b);
  const canAll = missing.every((index) => can.named[index] === true);
  const there = countThere(marks) + 1;
  const isOpen = named.map((_, index) => can.named[index] === true && !isThere(marks, index) && (!isOrdered || index > last));
  // Open ones from an index on.
  const openFrom = new Uint32Array(named.length + 1);
  for (let index = named.length - 1; index >= 0; index--)
    openFrom[index] = (openFrom[index + 1] as number) + (isOpen[index] === true ? 1 : 0);
  return (index) => {
    if (isThere(marks, index) || can.named[index] !== true || (isOrdered && index < last)) return false;
    if ((named[index] as NamedMember).needs.length > 0) {
      const after = { ...place, last: isOrdered ? index : -1, marks: `${marks.slice(0, index)}1${marks.slice(index + 1)}` };
      return canReachEnd(members, after, can);
    }
    if (!canAll || (isOrdered && (first === index ? second : first) < index)) return false;
    if (there + others + missing.length - (isMissing.has(index) ? 1 : 0) > max) return false;
    const open = isOrdered ? (openFrom[index + 1] as number) : (openFrom[0] as number) - 1;
    return mostMembers(members, { there, open, others }, can) >= min;
  };
}
