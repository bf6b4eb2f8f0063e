/** Nodes of JSON's own texts (RFC 8259), which all schemas of a model share. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { codeRanges } from './code-ranges.ts';
import { EMPTY, bytesNode, chars, choice, dfaNode, optional, repeat, repeatChars, ruleOf, sequence, textNode } from './grammar-node.ts';
import type { CharDfa, GrammarNode } from './grammar-node.ts';
import { regexDfa } from './regex-dfa.ts';

export interface JsonTexts {
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
  /** A string whose text an automaton accepts, each character written as `JSON.stringify` does. */
  stringOf(dfa: CharDfa): GrammarNode;
  word(value: string | number | boolean | null): GrammarNode;
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

export function createJsonTexts(): JsonTexts {
  const quote = textNode('"');
  const space = choice([EMPTY, textNode(' '), sequence(textNode('\n'), repeat(chars(codeRanges([[9, 9], [32, 32]])), 0, MOST_INDENT))]);
  const char = stringChar();
  const strings = new Map<string, GrammarNode>();
  const string = (min: number, max: number): GrammarNode => {
    const key = `${min},${max}`;
    const known = strings.get(key) ?? ruleOf(`string ${key}`, sequence(quote, repeatChars(char, min, max), quote));
    strings.set(key, known);
    return known;
  };
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
  const value = ruleOf('value');
  const list = (item: GrammarNode) => optional(sequence(item, repeat(sequence(textNode(','), space, item), 0, Infinity)));
  const member = sequence(string(0, Infinity), textNode(':'), space, value);
  const object = ruleOf('object', sequence(textNode('{'), space, list(member), space, textNode('}')));
  const array = ruleOf('array', sequence(textNode('['), space, list(value), space, textNode(']')));
  value.body = choice([object, array, string(0, Infinity), number, textNode('true'), textNode('false'), textNode('null')]);
  return {
    space, value, object, array, number, numberDfa, integerDfa, string, regex,
    integer: ruleOf('integer', dfaNode(integerDfa, 'text')),
    stringOf: (dfa) => ruleOf('string', sequence(quote, dfaNode(dfa, 'json'), quote)),
    word: (word) => bytesNode(new TextEncoder().encode(JSON.stringify(word))),
  };
}

/** Equal as JSON Schema has it: numbers by value, objects whatever the order of their members. */
export function equalValues(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return canonicalText(a) === canonicalText(b);
}

export function canonicalText(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`).join()}}`;
}
