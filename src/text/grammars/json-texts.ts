/** How values are written: JSON's own texts (RFC 8259), which all schemas of a model share, and other notations made of them. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { codeRanges } from './code-ranges.ts';
import { EMPTY, bytesNode, chars, choice, dfaNode, optional, repeat, repeatChars, ruleOf, sequence, textNode } from './grammar-node.ts';
import type { CharDfa, GrammarNode } from './grammar-node.ts';
import { regexDfa } from './regex-dfa.ts';

/** How the members of an object are written, from the first to the last. */
export interface MemberTexts {
  readonly open: GrammarNode;
  readonly separator: GrammarNode;
  readonly close: GrammarNode;
  /** @param name the member's, or an automaton of names */
  member(name: string | CharDfa, value: GrammarNode): GrammarNode;
}

export interface ValueTexts {
  readonly members: MemberTexts;
  /** None, one space, or a new line with up to 24 spaces or tabs. */
  readonly space: GrammarNode;
  readonly value: GrammarNode;
  readonly object: GrammarNode;
  readonly array: GrammarNode;
  readonly number: GrammarNode;
  readonly integer: GrammarNode;
  /** All numbers and whole ones, as automata. */
  readonly numberDfa: CharDfa;
  readonly integerDfa: CharDfa;
  /** A string of from `min` to `max` code points, with any escapes. */
  string(min: number, max: number): GrammarNode;
  /** A string whose text an automaton accepts; in JSON each character is written as `JSON.stringify` does. */
  stringOf(dfa: CharDfa): GrammarNode;
  word(value: string | number | boolean | null): GrammarNode;
  /** Why a text cannot be written as a value, or as the name of a member; undefined: it can. */
  refusal(text: string, role: 'value' | 'name'): string | undefined;
  /** As `regexDfa`; those that were asked for lately are kept. */
  regex(pattern: string, isSearch: boolean): CharDfa;
}

/** Expressions that are kept. */
const MOST_REGEXES = 200;

const MOST_INDENT = 24;

/** As JavaScript writes doubles, and the same with more noughts: an exponent goes with one digit before the point, up to 1e307. */
const WHOLE = '-?(?:0|[1-9]\\d{0,20})';
const EXPONENT = '[eE](?:[+-]?\\d{1,2}|[+-]?[12]\\d\\d|[+-]?30[0-7])';
const NUMBER = `${WHOLE}(?:\\.\\d{1,24})?|-?\\d(?:\\.\\d{1,24})?${EXPONENT}`;

function stringChar(): GrammarNode {
  const plain = chars(codeRanges([[0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]]));
  const hex = chars(codeRanges([[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]]));
  const low = chars(codeRanges([[0x43, 0x46], [0x63, 0x66]]));
  const d = chars(codeRanges([[0x44, 0x44], [0x64, 0x64]]));
  const notD = chars(codeRanges([[0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]]));
  const eightToB = chars(codeRanges([[0x38, 0x39], [0x41, 0x42], [0x61, 0x62]]));
  const upTo7 = chars(codeRanges([[0x30, 0x37]]));
  const pair = sequence(d, eightToB, hex, hex, textNode('\\u'), d, low, hex, hex);
  const code = choice([sequence(notD, hex, hex, hex), sequence(d, upTo7, hex, hex), pair]);
  const short = chars(codeRanges([...'"\\/bfnrt'].map((char): [number, number] => [char.charCodeAt(0), char.charCodeAt(0)])));
  return choice([plain, sequence(textNode('\\'), choice([short, sequence(textNode('u'), code)]))]);
}

export function createJsonTexts(): ValueTexts {
  const quote = textNode('"');
  const indent = repeat(chars(codeRanges([[9, 9], [32, 32]])), 0, MOST_INDENT);
  const space = ruleOf('space', choice([EMPTY, textNode(' '), sequence(textNode('\n'), indent)]));
  const char = stringChar();
  const strings = new Map<string, GrammarNode>();
  const string = (min: number, max: number): GrammarNode => {
    const key = `${min},${max}`;
    const known = strings.get(key) ?? ruleOf(`string ${key}`, sequence(quote, repeatChars(char, min, max), quote));
    strings.set(key, known);
    return known;
  };
  const stringOf = (dfa: CharDfa) => ruleOf('string', sequence(quote, dfaNode(dfa, 'json'), quote));
  const word: ValueTexts['word'] = (value) => bytesNode(new TextEncoder().encode(JSON.stringify(value)));
  const regexes = new Map<string, CharDfa>();
  const regex = (pattern: string, isSearch: boolean): CharDfa => {
    const key = `${isSearch ? 's' : 'w'}${pattern}`;
    const dfa = regexes.get(key) ?? regexDfa(pattern, { isSearch });
    if (regexes.size >= MOST_REGEXES) regexes.clear();
    regexes.set(key, dfa);
    return dfa;
  };
  const [numberDfa, integerDfa] = [NUMBER, WHOLE].map((pattern) => regexDfa(pattern, { isSearch: false })) as [CharDfa, CharDfa];
  const number = ruleOf('number', dfaNode(numberDfa, 'text'));
  const members = bracedMembers(space, (name) => (typeof name === 'string' ? word(name) : stringOf(name)));
  return withAnyValue({
    space, number, numberDfa, integerDfa, string, stringOf, word, regex, members,
    integer: ruleOf('integer', dfaNode(integerDfa, 'text')), refusal: () => undefined,
  }, string(0, Infinity));
}

/** `{name:value,name:value}` with space as JSON has it. */
export function bracedMembers(space: GrammarNode, name: (name: string | CharDfa) => GrammarNode): MemberTexts {
  return {
    open: sequence(textNode('{'), space), separator: sequence(textNode(','), space), close: sequence(space, textNode('}')),
    member: (own, value) => sequence(name(own), textNode(':'), space, value),
  };
}

/** Adds what nothing is said of: any value, object and array. @param anyName the name of any member, as it is written */
export function withAnyValue(texts: Omit<ValueTexts, 'value' | 'object' | 'array'>, anyName: GrammarNode): ValueTexts {
  const { space, members, number, word } = texts;
  const value = ruleOf('value');
  const comma = sequence(textNode(','), space);
  const list = (item: GrammarNode) => optional(sequence(item, repeat(sequence(comma, item), 0, Infinity)));
  const member = sequence(anyName, textNode(':'), space, value);
  const object = ruleOf('object', sequence(members.open, list(member), members.close));
  const array = ruleOf('array', sequence(textNode('['), space, list(value), space, textNode(']')));
  value.body = choice([object, array, texts.string(0, Infinity), number, word(true), word(false), word(null)]);
  return { ...texts, value, object, array };
}

/** The same for values that are equal as JSON Schema has it: numbers by value, objects whatever the order of their members. */
export function canonicalText(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`).join()}}`;
}
