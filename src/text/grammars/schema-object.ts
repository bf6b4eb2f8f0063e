/** Objects, member by member: each named one at most once, those that must be there before the end. */
import { combine, countedDfa, isEmptyDfa, acceptsText, wordsDfa } from './char-dfa.ts';
import { ANY_CODE } from './code-ranges.ts';
import { sequence } from './grammar-node.ts';
import type { CharDfa, GrammarNode, StepsNode } from './grammar-node.ts';
import type { ObjectPart, SchemaFacts, SchemaPlace } from './schema-facts.ts';
import type { SchemaBuilder } from './schema-builder.ts';
import { below, schemaError } from './schema-keywords.ts';

/** Patterns of names of one object: each name may match any of them. */
const MOST_PATTERNS = 5;

interface NamedMember {
  readonly name: string;
  readonly node: GrammarNode;
  readonly behindComma: GrammarNode;
  readonly value: GrammarNode;
  readonly isRequired: boolean;
  /** Members that must be there with it, by index. */
  readonly needs: readonly number[];
}

/** A member whose name is told by an automaton. */
interface OtherMember {
  readonly node: GrammarNode;
  readonly behindComma: GrammarNode;
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
  return order.map((name, index) => {
    const { members } = builder.texts;
    const places = parts.flatMap((part) => partPlaces(builder, part, name));
    const isKnown = places.length > 0 || required.has(name) || allowsOthers(builder, facts);
    const isNameAllowed = allowed === undefined || acceptsText(allowed, name);
    const refusal = builder.texts.refusal(name, 'name');
    if (refusal !== undefined) throw schemaError(below(facts.path, 'properties', name), refusal);
    const value = builder.memberValue(name, isKnown && isNameAllowed ? places : [{ schema: false, path: facts.path, isNot: false }]);
    const node = members.member(name, value);
    const needs = needsOf(name, facts).map((other) => order.indexOf(other)).filter((other) => other !== index);
    return { name, value, node, behindComma: sequence(members.separator, node), isRequired: required.has(name), needs };
  });
}

/** All that must be there with a member, and with those. */
function needsOf(name: string, { objects: { dependent } }: SchemaFacts): string[] {
  const found = new Set([name]);
  for (const each of found) for (const { name: other, needs } of dependent) if (other === each) for (const need of needs) found.add(need);
  return [...found];
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
    found.push({ node, value, behindComma: sequence(members.separator, node) });
  }
  return found;
}

/** A place: how many others there are, the named member that came last, and a mark for each that is there. */
interface Place {
  readonly others: number;
  readonly last: number;
  readonly marks: string;
}

const textOf = ({ others, last, marks }: Place): string => `o${others}.${last}.${marks}`;

function placeOf(text: string): Place {
  const [others = '', last = '', marks = ''] = text.slice(1).split('.');
  return { others: Number(others), last: Number(last), marks };
}

const isThere = (marks: string, index: number): boolean => marks[index] === '1';
const countThere = (marks: string): number => marks.replaceAll('0', '').length;

function memberSteps(builder: SchemaBuilder, members: Members): StepsNode {
  const { named, others, min, max } = members;
  let usable: { readonly named: readonly boolean[]; readonly others: readonly OtherMember[] } | undefined;
  const use = () => (usable ??= {
    named: named.map(({ value }) => builder.hasTexts(value)), others: others.filter(({ value }) => builder.hasTexts(value)),
  });
  const start = textOf({ others: 0, last: -1, marks: '0'.repeat(named.length) });
  // Further others than the first count for nothing where there is no greatest number.
  const mostOthers = max === Infinity ? 1 : max;
  return {
    kind: 'steps', start, parts: [...named.map(({ value }) => value), ...others.map(({ value }) => value)],
    hasTexts: (has) => canReachEnd(members, placeOf(start), { named: named.map(({ value }) => has(value)),
      hasOthers: others.some(({ value }) => has(value)) }),
    endsAt(at) {
      const place = placeOf(at);
      return needed(members, place.marks).length === 0 && countThere(place.marks) + Math.min(1, place.others) >= min;
    },
    follow(at) {
      const place = placeOf(at);
      const isFirst = place.others === 0 && countThere(place.marks) === 0;
      const can = { named: use().named, hasOthers: use().others.length > 0 };
      const next = named.flatMap((member, index) => {
        const { marks, last } = place;
        if (isThere(marks, index) || can.named[index] !== true || (members.isOrdered && index < last)) return [];
        const after: Place = { ...place, last: members.isOrdered ? index : -1,
          marks: `${marks.slice(0, index)}1${marks.slice(index + 1)}` };
        return canReachEnd(members, after, can) ? [{ node: isFirst ? member.node : member.behindComma, to: textOf(after) }] : [];
      });
      const withOther: Place = { ...place, others: Math.min(place.others + 1, mostOthers) };
      const isFull = place.others + countThere(place.marks) >= max;
      if (isFull || !canReachEnd(members, withOther, can)) return next;
      return [...next, ...use().others.map((member) => ({ node: isFirst ? member.node : member.behindComma, to: textOf(withOther) }))];
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

function canReachEnd(members: Members, place: Place, can: { readonly named: readonly boolean[]; readonly hasOthers: boolean }): boolean {
  const { named, min, max, isOrdered } = members;
  const { marks, last, others } = place;
  const missing = needed(members, marks);
  const isReachable = (index: number) => can.named[index] === true && (!isOrdered || index > last);
  if (!missing.every(isReachable)) return false;
  const there = countThere(marks);
  if (there + others + missing.length > max) return false;
  // A further optional member may bring others with it: as many as can be, less what the greatest number leaves.
  const open = named.filter((_, index) => !isThere(marks, index) && isReachable(index)).length;
  const most = Math.min(there + open + Math.min(1, others + (can.hasOthers ? 1 : 0)), max);
  return most >= min;
}
