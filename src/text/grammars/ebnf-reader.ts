/**
 * Reads grammars in EBNF as GBNF writes it: `name ::= ...`, texts in double quotes, classes in brackets, `.`, groups, `|`, `* + ? {m,n}`,
 * `#` comments. The first text is that of the rule `root`.
 */
import { InputError } from '../../tensor/errors.ts';
import { ANY_CODE, codeRanges, complementOf } from './code-ranges.ts';
import { chars, choice, repeat, ruleOf, sequence, textNode } from './grammar-node.ts';
import type { GrammarNode, RuleNode } from './grammar-node.ts';
import { findLeftRecursion } from './left-recursion.ts';
import { HALF_PAIR } from './plain-json.ts';
import { findTexts, rulesOf } from './texts-of-rules.ts';

const MOST_REPETITIONS = 2000;
/** Groups in groups, and signs of repetition behind each other: both are read by calls in calls. */
const MOST_DEPTH = 200;
const NAME = /[A-Za-z][A-Za-z0-9_-]*/uy;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"', '[': '[', ']': ']', '-': '-',
  '^': '^' };

/** @throws InputError with line and column for what cannot be read, for rules that are missing, begin with themselves, or never end */
export function ebnfGrammar(source: string): GrammarNode {
  const reader = new Reader(source);
  const rules = reader.rules();
  for (const { name,
    body } of rules.values()) if (body === undefined) throw new InputError(`The grammar has no rule ${JSON.stringify(name)}.`);
  const root = rules.get('root');
  if (root === undefined) throw new InputError('The grammar has no rule "root", which says what an answer is.');
  checkRules(root);
  return root;
}

function checkRules(root: RuleNode): void {
  const has = findTexts(root);
  const rules = rulesOf(root);
  const named = ({ name }: RuleNode) => `The grammar's rule ${JSON.stringify(name)}`;
  for (const rule of rules) if (!has(rule)) throw new InputError(`${named(rule)} never ends: each of its options holds the rule itself.`);
  const left = findLeftRecursion(rules);
  if (left !== undefined)
    throw new InputError(`${named(left)} begins with itself (left recursion). Write it as a repetition: item (op item)*.`);
}

class Reader {
  readonly #source: string;
  readonly #rules = new Map<string, RuleNode>();
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  rules(): ReadonlyMap<string, RuleNode> {
    for (this.#skip(true); this.#at < this.#source.length; this.#skip(true)) {
      const name = this.#name();
      const rule = this.#rule(name);
      this.#skip(true);
      if (!this.#source.startsWith('::=', this.#at)) this.#fail(`expected ::= after the name ${JSON.stringify(name)}`);
      if (rule.body !== undefined) this.#fail(`the rule ${JSON.stringify(name)} is there twice`);
      this.#at += 3;
      rule.body = this.#options(false);
    }
    return this.#rules;
  }

  #rule(name: string): RuleNode {
    const rule = this.#rules.get(name) ?? ruleOf(name);
    this.#rules.set(name, rule);
    return rule;
  }

  #options(isInGroup: boolean): GrammarNode {
    const options: GrammarNode[] = [];
    do {
      this.#skip(true);
      options.push(this.#items(isInGroup));
      this.#skip(true);
    } while (this.#take('|'));
    return choice(options);
  }

  #items(isInGroup: boolean): GrammarNode {
    const items: GrammarNode[] = [];
    for (;;) {
      this.#skip(true);
      const char = this.#source[this.#at];
      if (char === undefined || char === '|' || char === ')') break;
      if (!isInGroup && this.#isNextRule()) break;
      items.push(this.#repeated(this.#item(char)));
    }
    return sequence(...items);
  }

  /** A name with ::= behind it begins the next rule. */
  #isNextRule(): boolean {
    return /^[A-Za-z][A-Za-z0-9_-]*\s*::=/u.test(this.#source.slice(this.#at, this.#at + 200));
  }

  #item(char: string): GrammarNode {
    if (char === '"') return this.#text();
    if (char === '[') return this.#class();
    if (this.#take('.')) return chars(ANY_CODE);
    if (this.#take('(')) {
      if (++this.#depth > MOST_DEPTH) this.#fail(`groups are more than ${MOST_DEPTH} deep`);
      const inside = this.#options(true);
      this.#depth--;
      if (!this.#take(')')) this.#fail('expected )');
      return inside;
    }
    return this.#rule(this.#name());
  }

  #repeated(item: GrammarNode, depth = 1): GrammarNode {
    this.#skip(false);
    if (depth > MOST_DEPTH) this.#fail(`more than ${MOST_DEPTH} repetitions of repetitions`);
    if (this.#take('*')) return this.#repeated(repeat(item, 0, Infinity), depth + 1);
    if (this.#take('+')) return this.#repeated(repeat(item, 1, Infinity), depth + 1);
    if (this.#take('?')) return this.#repeated(repeat(item, 0, 1), depth + 1);
    if (this.#source[this.#at] !== '{') return item;
    const [whole, min = '', comma, max = ''] = /^\{\s*(\d+)\s*(,)?\s*(\d*)\s*\}/u.exec(this.#source.slice(this.#at)) ?? [];
    if (whole === undefined) this.#fail('expected {m}, {m,} or {m,n}');
    this.#at += whole.length;
    const most = comma === undefined ? Number(min) : max === '' ? Infinity : Number(max);
    if (Number(min) > most || Math.max(Number(min), most === Infinity ? 0 : most) > MOST_REPETITIONS)
      this.#fail(`a repetition must be from m to n, neither over ${MOST_REPETITIONS}, found ${whole}`);
    return this.#repeated(repeat(item, Number(min), most), depth + 1);
  }

  #text(): GrammarNode {
    this.#at++;
    let text = '';
    while (!this.#take('"')) text += String.fromCodePoint(this.#char('"'));
    if (HALF_PAIR.test(text)) this.#fail('half a surrogate pair, which no text says');
    return textNode(text);
  }

  #class(): GrammarNode {
    this.#at++;
    const isNot = this.#take('^');
    const parts: [number, number][] = [];
    while (!this.#take(']')) {
      const first = this.#char(']');
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']';
      if (isRange) this.#at++;
      const last = isRange ? this.#char(']') : first;
      if (last < first) this.#fail('a range of a class goes down');
      parts.push([first, last]);
    }
    return chars(isNot ? complementOf(codeRanges(parts)) : codeRanges(parts));
  }

  /** A code point, as it is or escaped. */
  #char(end: string): number {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined || code === 10) return this.#fail(`expected ${end}`);
    this.#at += code > 0xffff ? 2 : 1;
    if (code !== 0x5c) return code;
    const kind = this.#source[this.#at++] ?? '';
    const length = { x: 2, u: 4, U: 8 }[kind];
    if (length !== undefined) {
      const hex = this.#source.slice(this.#at, this.#at + length);
      const found = Number.parseInt(hex, 16);
      if (!/^[0-9a-fA-F]+$/u.test(hex) || hex.length < length || found > 0x10ffff) this.#fail(`expected ${length} hexadecimal digits`);
      this.#at += length;
      return found;
    }
    return ESCAPES[kind]?.codePointAt(0) ?? this.#fail(`the escape \\${kind} is not known`);
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#source)?.[0];
    if (name === undefined) return this.#fail('expected the name of a rule');
    this.#at += name.length;
    return name;
  }

  #take(char: string): boolean {
    if (this.#source[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** White space and comments. */
  #skip(isOverLines: boolean): void {
    const space = isOverLines ? /(?:\s|#[^\n]*)*/uy : /[ \t]*/uy;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#source)?.[0].length ?? 0;
  }

  #fail(what: string): never {
    const before = this.#source.slice(0, this.#at).split('\n');
    throw new InputError(`The grammar, line ${before.length}, column ${(before.at(-1) ?? '').length + 1}: ${what}.`);
  }
}
