import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../test/fuzz-text.ts';
import { Automaton, acceptsText } from './automaton.ts';
import { acceptsText as dfaAccepts } from './char-dfa.ts';
import { byteRuns, codeRanges } from './code-ranges.ts';
import { dfaNode } from './grammar-node.ts';
import { numberDfa } from './number-dfa.ts';
import { regexDfa } from './regex-dfa.ts';
import { STRING_FORMATS } from './string-formats.ts';

const ATOMS = ['a', 'b', 'é', '🙂', '.', '[ab]', '[^a]', '[a-c0-2]', '\\d', '\\w', '\\s', '\\W', '[\\d_]', '\\x61', '\\u{1F642}', '-',
  '\\.', '\\p{L}'];
const TEXT_PARTS = ['a', 'b', 'c', 'é', '🙂', '1', '_', ' ', '\n', '.', '-', 'ab', 'Ä'];

function maker(seed: number) {
  const random = createRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const pattern = (depth: number): string => {
    const chance = random();
    if (depth === 0 || chance < 0.3) return pick(ATOMS);
    if (chance < 0.55) return pattern(depth - 1) + pattern(depth - 1);
    if (chance < 0.7) return `(?:${pattern(depth - 1)}|${pattern(depth - 1)})`;
    if (chance < 0.9) return `(${pattern(depth - 1)})${pick(['*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?', '+?'])}`;
    return pick([`^${pattern(depth - 1)}`, `${pattern(depth - 1)}$`, `^(?!${pattern(0)})${pattern(depth - 1)}`]);
  };
  const text = () => Array.from({ length: Math.floor(random() * 6) }, () => pick(TEXT_PARTS)).join('');
  return { pattern, text, random };
}

describe('an automaton of an expression', () => {
  it('finds and matches what RegExp does', () => {
    let [found, compared] = [0, 0];
    for (let seed = 1; seed <= 100; seed++) {
      const { pattern, text } = maker(seed);
      const source = pattern(3);
      const search = new RegExp(source, 'u');
      // Looking ahead is obeyed at the beginning only, and ^ and $ may stand where nothing can match.
      let dfa;
      try {
        dfa = regexDfa(source, { isSearch: true });
      } catch (error) {
        expect((error as Error).message).toMatch(/lookahead|repeated \^ or \$/u);
        continue;
      }
      const automaton = new Automaton();
      const node = dfaNode(dfa, 'text');
      for (let i = 0; i < 12; i++) {
        const sample = text();
        const isMatch = search.test(sample);
        expect(acceptsText(automaton, node, sample), `${source} in ${JSON.stringify(sample)}`).toBe(isMatch);
        found += isMatch ? 1 : 0;
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(700);
    expect(found).toBeGreaterThan(150);
  });
});

describe('numbers between bounds', () => {
  it('are those that compare so', () => {
    const random = createRandom(11);
    const number = () => Number(((random() - 0.4) * 10 ** Math.floor(random() * 5)).toFixed(Math.floor(random() * 4)));
    let inside = 0;
    for (let round = 0; round < 200; round++) {
      const [min, max] = [number(), number()].sort((a, b) => a - b) as [number, number];
      const [isMinOut, isMaxOut] = [random() < 0.5, random() < 0.5];
      const multipleOf = random() < 0.3 ? 1 + Math.floor(random() * 9) : undefined;
      const dfa = numberDfa({ min, max, isMinOut, isMaxOut, multipleOf });
      for (let i = 0; i < 30; i++) {
        const value = random() < 0.3 ? [min, max, Math.round(min), Math.ceil(max)][i % 4] as number : number();
        const isBetween = (isMinOut ? value > min : value >= min) && (isMaxOut ? value < max : value <= max);
        const isValid = isBetween && (multipleOf === undefined || (Number.isInteger(value) && value % multipleOf === 0));
        const text = JSON.stringify(value);
        if (/e/u.test(text)) continue;
        expect(dfaAccepts(dfa, text), `${text} in ${JSON.stringify({ min, max, isMinOut, isMaxOut, multipleOf })}`).toBe(isValid);
        inside += isValid ? 1 : 0;
      }
    }
    expect(inside).toBeGreaterThan(800);
  });
});

describe('bytes of code points', () => {
  it('are the UTF-8 of each, and no others', () => {
    const random = createRandom(5);
    for (let round = 0; round < 60; round++) {
      const first = Math.floor(random() * 0x110000);
      const last = Math.min(0x10ffff, first + Math.floor(random() ** 3 * 0x20000));
      const runs = byteRuns(codeRanges([[first, last]]), 'text');
      for (let i = 0; i < 40; i++) {
        const code = i < 4 ? [first, last, first - 1, last + 1][i] as number : Math.floor(random() * 0x110000);
        if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) continue;
        const bytes = new TextEncoder().encode(String.fromCodePoint(code));
        const fits = runs.filter((run) => run.length === bytes.length && run.every(([low, high], at) => bytes[at]! >= low
          && bytes[at]! <= high));
        expect(fits.length).toBe(code >= first && code <= last ? 1 : 0);
      }
    }
  });
});

describe('formats', () => {
  it('are expressions that can be read', () => {
    for (const pattern of Object.values(STRING_FORMATS)) expect(regexDfa(pattern, { isSearch: false }).isFinal.some(Boolean)).toBe(true);
  });
});
