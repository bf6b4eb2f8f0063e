/**
 * Reads a regular expression of JavaScript with the flag `u`, which is what JSON Schema asks for (ECMA-262, section 22.2.1). What refers
 * back is not regular, and is refused by name; so is looking around, except ahead from the beginning of the text.
 */
import { InputError } from '../../tensor/errors.ts';
import { codeRanges, complementOf } from './code-ranges.ts';
import type { CodeRanges } from './grammar-node.ts';

export type RegexNode =
  | { readonly kind: 'set'; readonly ranges: CodeRanges }
  | { readonly kind: 'all'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'any'; readonly options: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly item: RegexNode; readonly min: number; readonly max: number }
  /** `^` or `$`. */
  | { readonly kind: 'edge'; readonly isEnd: boolean };

/** Repetitions that a count may ask for. */
const MOST_REPETITIONS = 2000;
/** Groups in groups, which are read by calls in calls. */
const MOST_DEPTH = 200;
/** Characters of a pattern in a message. */
const MOST_SHOWN = 200;

const DIGITS = codeRanges([[0x30, 0x39]]);
const WORD = codeRanges([[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]);
const SPACES = codeRanges([
  [9, 13], [0x20, 0x20], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f],
  [0x3000, 0x3000], [0xfeff, 0xfeff],
]);
const LINE_ENDS = codeRanges([[10, 10], [13, 13], [0x2028, 0x2029]]);
const CLASSES: Readonly<Record<string, CodeRanges>> = {
  d: DIGITS, D: complementOf(DIGITS), w: WORD, W: complementOf(WORD), s: SPACES, S: complementOf(SPACES),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 };

/** An expression, and what the text must begin with, or must not, beside it. */
export interface ReadRegex {
  readonly node: RegexNode;
  readonly lookaheads: readonly { readonly node: RegexNode; readonly isNot: boolean }[];
}

/** @throws InputError for what is no such expression, and for what is not regular */
export function readRegex(pattern: string): ReadRegex {
  checkSyntax(pattern);
  const reader = new Reader(pattern);
  const lookaheads = reader.lookaheads();
  const node = reader.options();
  return lookaheads.length === 0 ? { node, lookaheads } : { node: { kind: 'all', items: [TEXT_BEGIN, node] }, lookaheads };
}

const TEXT_BEGIN: RegexNode = { kind: 'edge', isEnd: false };

function checkSyntax(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (error) {
    const [shown, why] = [JSON.stringify(pattern.slice(0, MOST_SHOWN)), (error as Error).message.slice(0, 2 * MOST_SHOWN)];
    throw new InputError(`the pattern ${shown} is no regular expression: ${why}.`);
  }
}

/** The syntax was checked: only its meaning is looked for. */
class Reader {
  readonly #pattern: string;
  readonly #chars: readonly string[];
  readonly #properties = new Map<string, CodeRanges>();
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#chars = [...pattern];
  }

  /** Those right behind a ^ at the beginning, in an expression without options at its top. */
  lookaheads(): ReadRegex['lookaheads'] {
    const found: { node: RegexNode; isNot: boolean }[] = [];
    if (!/^\^\(\?[=!]/u.test(this.#pattern)) return found;
    this.#at = 1;
    while (this.#peek() === '(' && this.#chars[this.#at + 1] === '?' && /[=!]/u.test(this.#chars[this.#at + 2] ?? '')) {
      this.#at += 3;
      const isNot = this.#chars[this.#at - 1] === '!';
      found.push({ node: { kind: 'all', items: [TEXT_BEGIN, this.options()] }, isNot });
      this.#take(')');
    }
    if (this.#hasOptionsBehind()) this.#refuse('lookahead in one of several options');
    return found;
  }

  #hasOptionsBehind(): boolean {
    const from = this.#at;
    this.#items();
    const has = this.#peek() === '|';
    this.#at = from;
    return has;
  }

  options(): RegexNode {
    const options = [this.#items()];
    while (this.#take('|')) options.push(this.#items());
    return options.length === 1 ? (options[0] as RegexNode) : { kind: 'any', options };
  }

  #items(): RegexNode {
    const items: RegexNode[] = [];
    while (this.#at < this.#chars.length && this.#peek() !== '|' && this.#peek() !== ')') items.push(this.#item());
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'all', items };
  }

  #item(): RegexNode {
    const item = this.#atom();
    const bounds = this.#bounds();
    if (bounds === undefined) return item;
    this.#take('?');
    const [min, max] = bounds;
    if (Math.max(min, max === Infinity ? 0 : max) > MOST_REPETITIONS) this.#refuse(`more than ${MOST_REPETITIONS} repetitions`);
    if (item.kind === 'edge') this.#refuse('a repeated ^ or $');
    return { kind: 'repeat', item, min, max };
  }

  #bounds(): [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (!this.#take('{')) return undefined;
    const text = this.#until('}');
    const [min = '', max] = text.split(',');
    return [Number(min), max === undefined ? Number(min) : max === '' ? Infinity : Number(max)];
  }

  #atom(): RegexNode {
    const char = this.#next();
    if (char === '^' || char === '$') return { kind: 'edge', isEnd: char === '$' };
    if (char === '(') return this.#group();
    if (char === '.') return { kind: 'set', ranges: complementOf(LINE_ENDS) };
    if (char === '[') return { kind: 'set', ranges: this.#class() };
    if (char === '\\') return { kind: 'set', ranges: this.#escape() };
    return { kind: 'set', ranges: single(char.codePointAt(0) as number) };
  }

  #group(): RegexNode {
    if (this.#take('?')) {
      const kind = this.#next();
      if (kind === '=' || kind === '!') this.#refuse('lookahead');
      if (kind === '<') {
        if (this.#peek() === '=' || this.#peek() === '!') this.#refuse('lookbehind');
        this.#until('>');
      } else if (kind !== ':') this.#refuse(`a group of the kind (?${kind}`);
    }
    if (++this.#depth > MOST_DEPTH) this.#refuse(`groups more than ${MOST_DEPTH} deep`);
    const inside = this.options();
    this.#depth--;
    this.#take(')');
    return inside;
  }

  #class(): CodeRanges {
    const isNot = this.#take('^');
    const parts: [number, number][] = [];
    while (!this.#take(']')) {
      const first = this.#classPart();
      const start = first[0]?.[0];
      if (this.#peek() === '-' && this.#chars[this.#at + 1] !== ']' && start !== undefined) {
        this.#at++;
        const last = this.#classPart()[0]?.[0] as number;
        parts.push([start, last]);
      } else for (const [from, to] of first) parts.push([from, to]);
    }
    const ranges = codeRanges(parts);
    return isNot ? complementOf(ranges) : ranges;
  }

  #classPart(): CodeRanges {
    const char = this.#next();
    if (char !== '\\') return single(char.codePointAt(0) as number);
    return this.#take('b') ? single(8) : this.#escape();
  }

  #escape(): CodeRanges {
    const char = this.#next();
    const known = CLASSES[char];
    if (known !== undefined) return known;
    if (char === 'b' || char === 'B') this.#refuse(`the word boundary \\${char}`);
    if (char === 'k' || (char >= '1' && char <= '9')) this.#refuse('a reference back');
    if (char === 'p' || char === 'P') {
      this.#take('{');
      const escape = `\\${char}{${this.#until('}')}}`;
      const ranges = this.#properties.get(escape) ?? propertyRanges(escape);
      this.#properties.set(escape, ranges);
      return ranges;
    }
    const control = CONTROLS[char];
    if (control !== undefined) return single(control);
    if (char === 'c') return single((this.#next().codePointAt(0) as number) & 31);
    if (char === 'x') return single(Number.parseInt(this.#next() + this.#next(), 16));
    if (char === 'u') return single(this.#unicodeEscape());
    return single(char.codePointAt(0) as number);
  }

  #unicodeEscape(): number {
    if (this.#take('{')) return Number.parseInt(this.#until('}'), 16);
    const four = () => Number.parseInt(Array.from({ length: 4 }, () => this.#next()).join(''), 16);
    const code = four();
    if (code < 0xd800 || code > 0xdbff || this.#chars.slice(this.#at, this.#at + 2).join('') !== '\\u') return code;
    this.#at += 2;
    return 0x10000 + ((code - 0xd800) << 10) + (four() - 0xdc00);
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string {
    return this.#chars[this.#at++] as string;
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  #until(end: string): string {
    const from = this.#at;
    while (this.#next() !== end);
    return this.#chars.slice(from, this.#at - 1).join('');
  }

  #refuse(what: string): never {
    const shown = JSON.stringify(this.#pattern.slice(0, MOST_SHOWN));
    throw new InputError(`the pattern ${shown} has ${what}, which cannot be obeyed token by token.`);
  }
}

function single(code: number): CodeRanges {
  return codeRanges([[code, code]]);
}

/** Code points of a property, by looking for runs of them in the text of all code points in their order. */
function propertyRanges(escape: string): CodeRanges {
  const found: [number, number][] = [];
  const runs = new RegExp(`(?:${escape})+`, 'gu');
  for (let plane = 0; plane < 17; plane++) {
    for (const [run] of planeText(plane).matchAll(runs))
      found.push([run.codePointAt(0) as number, run.codePointAt(run.length - (plane > 0 ? 2 : 1)) as number]);
  }
  return codeRanges(found);
}

/** 65,536 code points as UTF-16, without surrogates that stand alone. */
function planeText(plane: number): string {
  const units = new Uint16Array(0x20000);
  let count = 0;
  for (let low = 0; low < 0x10000; low++) {
    const beyond = ((plane - 1) << 16) + low;
    if (plane === 0 && low >= 0xd800 && low <= 0xdfff) continue;
    if (plane === 0) units[count++] = low;
    else {
      units[count++] = 0xd800 + (beyond >> 10);
      units[count++] = 0xdc00 + (beyond & 0x3ff);
    }
  }
  return new TextDecoder('utf-16le').decode(units.subarray(0, count));
}
