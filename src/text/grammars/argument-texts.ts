/** How values are written in the arguments of calls that are not JSON. `text/answers` reads the same forms. */
import { ANY_CODE } from './code-ranges.ts';
import { acceptsText, combine, countedDfa } from './char-dfa.ts';
import { chars, choice, dfaNode, repeatChars, ruleOf, sequence, textNode } from './grammar-node.ts';
import type { CharDfa, GrammarNode } from './grammar-node.ts';
import { bracedMembers, withAnyValue } from './json-texts.ts';
import type { ValueTexts } from './json-texts.ts';
import { literalPattern } from './regex-dfa.ts';

/** A mark of a form. Where it is a control token, no text can be taken for it, so that texts may spell it. */
export interface FormMark {
  readonly text: string;
  readonly node: GrammarNode;
  readonly isControl: boolean;
}

/** States that a count of characters and the letters of a mark make together are kept below this. */
const MOST_COUNTED = 5000;
const ANY_LENGTH: CharDfa = countedDfa(ANY_CODE, 0, Infinity);

/** Texts in which a mark does not occur. */
function without(json: ValueTexts, dfa: CharDfa, { text, isControl }: Pick<FormMark, 'text' | 'isControl'>): CharDfa {
  return isControl ? dfa : combine(dfa, json.regex(literalPattern(text), true), { less: true });
}

/**
 * Texts of some length in which a mark does not occur. Long ones of bounded length do without the beginning of the mark too, since each
 * count of characters is multiplied by the letters of the mark.
 */
function countedWithout(json: ValueTexts, [min, max]: readonly [number, number], mark: FormMark): CharDfa {
  const count = (max === Infinity ? min : max) + 1;
  const letters = Math.min(mark.text.length, Math.max(1, Math.floor(MOST_COUNTED / count)));
  return without(json, countedDfa(ANY_CODE, min, max), { text: mark.text.slice(0, letters), isControl: mark.isControl });
}

const holding = (mark: FormMark): string => `a text that holds ${mark.text} cannot be said in this form of calls, where that ends a value.`;
const refusalBy = (mark: FormMark) => (text: string) => (!mark.isControl && text.includes(mark.text) ? holding(mark) : undefined);

/** Literals of Python: strings between double quotes, whose escapes are those that JSON writes. */
export function pythonTexts(json: ValueTexts): ValueTexts {
  const words = new Map<unknown, string>([[true, 'True'], [false, 'False'], [null, 'None']]);
  const char = chars(ANY_CODE, 'json');
  const string = (min: number, max: number) => sequence(textNode('"'), repeatChars(char, min, max), textNode('"'));
  const word: ValueTexts['word'] = (value) => (words.has(value) ? textNode(words.get(value) as string) : json.word(value));
  return withAnyValue({ ...json, string, word }, string(0, Infinity));
}

/** Gemma's braces: names bare where they can be, strings between marks as they stand. */
export function gemmaTexts(json: ValueTexts, mark: FormMark): ValueTexts {
  const bare = json.regex('[^\\s:{}\\[\\],"<][^\\s:{}\\[\\],]*', false);
  const marked = (node: GrammarNode) => sequence(mark.node, node, mark.node);
  const stringOf = (dfa: CharDfa) => marked(dfaNode(without(json, dfa, mark), 'text'));
  const string = (min: number, max: number) =>
    marked(mark.isControl ? repeatChars(chars(ANY_CODE), min, max) : dfaNode(countedWithout(json, [min, max], mark), 'text'));
  const ofName = (name: string | CharDfa) => {
    if (typeof name === 'string') return acceptsText(bare, name) ? textNode(name) : marked(textNode(name));
    return choice([dfaNode(combine(name, bare), 'text'), stringOf(combine(name, bare, { less: true }))]);
  };
  const word: ValueTexts['word'] = (value) => (typeof value === 'string' ? marked(textNode(value)) : json.word(value));
  const members = bracedMembers(json.space, ofName);
  return withAnyValue({ ...json, string, stringOf, word, members, refusal: refusalBy(mark) }, ofName(ANY_LENGTH));
}

/** JSON that does not hold the mark that ends the value which it is. */
export function jsonWithoutTexts(json: ValueTexts, end: FormMark): ValueTexts {
  const stringOf = (dfa: CharDfa) => json.stringOf(without(json, dfa, end));
  const string = (min: number, max: number) => json.stringOf(countedWithout(json, [min, max], end));
  const members = bracedMembers(json.space, (name) => (typeof name === 'string' ? json.word(name) : stringOf(name)));
  return withAnyValue({ ...json, string, stringOf, members, refusal: refusalBy(end) }, string(0, Infinity));
}

/** Texts that are read as another value than a string where both may come, and some beside. */
const LIKE_LITERAL = '\\s*(?:[\\[{(0-9+._\\-][\\s\\S]*|(?:true|false|null|True|False|None)\\s*)';

/**
 * Strings as they stand up to the mark that ends them; all else as `inner` has it.
 * @param isMixed other values than strings may come, and are told by how they look
 */
export function bareTexts(inner: ValueTexts, end: FormMark, { isMixed }: { readonly isMixed: boolean }): ValueTexts {
  const like = inner.regex(LIKE_LITERAL, false);
  const asString = (dfa: CharDfa) => (isMixed ? combine(dfa, like, { less: true }) : dfa);
  const stringOf = (dfa: CharDfa) => ruleOf('bare string', dfaNode(asString(without(inner, dfa, end)), 'text'));
  const string = (min: number, max: number) => {
    if (end.isControl && !isMixed) return ruleOf('bare string', repeatChars(chars(ANY_CODE), min, max));
    return ruleOf('bare string', dfaNode(asString(countedWithout(inner, [min, max], end)), 'text'));
  };
  const word: ValueTexts['word'] = (value) => (typeof value === 'string' ? textNode(value) : inner.word(value));
  const refusal: ValueTexts['refusal'] = (text, role) => {
    if (role === 'value' && isMixed && acceptsText(like, text))
      return `the text ${JSON.stringify(text)} would be read as another value in this form of calls: give the argument the type string.`;
    return inner.refusal(text, role);
  };
  const value = choice([inner.object, inner.array, string(0, Infinity), inner.number, word(true), word(false), word(null)]);
  return { ...inner, string, stringOf, word, refusal, value };
}
