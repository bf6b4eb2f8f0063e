/** Formats of up to 100 kB that are made to take long, or to go down as deeply as they are long. */
import { describe, expect, it, vi } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { Automaton } from './automaton.ts';
import { ebnfGrammar } from './ebnf-reader.ts';
import { tokenNode } from './grammar-node.ts';
import { createGrammarCompiler } from './output-format.ts';
import { anyFacts, bothFacts } from './schema-facts.ts';
import { searchTable } from './table-search.ts';
import { tokenBytesTrie } from './token-bytes-trie.ts';
import { TokenMasks } from './token-masks.ts';

const tokenizer = await emberTokenizer();
const compile = (...rules: readonly string[]) =>
  createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds).compile({ type: 'grammar', grammar: rules.join('\n') });
const many = (count: number, of: (index: number) => string) => Array.from({ length: count }, (_, i) => of(i));
const chain = (depth: number, behind: string, last: string) =>
  [...many(depth, (i) => `${i === 0 ? 'root' : `r${i}`} ::= r${i + 1} ${behind}`), `r${depth} ::= ${last}`];
const texts = (mask: Uint32Array) => many(tokenizer.vocabSize, (id) => tokenizer.tokenText(id)).filter((_, id) =>
  (((mask[id >> 5] as number) >>> (id & 31)) & 1) === 1);

function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a search that failed', () => {
  it('is over, and says why at each call', () => {
    let calls = 0;
    const search = searchTable(tokenNode(1), () => {
      calls++;
      throw new RangeError('no room');
    });
    expect(() => search.advance()).toThrow('no room');
    expect(search.isOver).toBe(true);
    expect(() => search.advance()).toThrow('no room');
    expect(() => search.found()).toThrow('no room');
    expect(calls).toBe(1);
  });
});

describe('parts that may be left out', () => {
  it('are as many as a grammar has, one behind the other', () => {
    const compiled = compile(`root ::= ${many(4000, (i) => `"a${i}"?`).join(' ')}`);
    // The second call found nothing for ever once.
    for (let call = 0; call < 2; call++) expect(compiled.search().found()).toBe('places');
    expect(texts(compiled.start().mask())).toContain('a');
    expect(texts(compiled.start().mask())).not.toContain('b');
  });

  it.each([
    ['in repetitions', 'root ::= ("a"? "b"?){0,2000}'],
    ['in repetitions of repetitions', 'root ::= ((("a"?){0,2000}){0,2000}){0,2000}'],
  ])('are refused where a text can be read in too many ways: %s', (_, grammar) => {
    const compiled = compile(grammar);
    for (let call = 0; call < 2; call++) expect(compiled.search().found()).toBe('places');
    const refusal = /^format cannot be followed: at one place of an answer more than 1000000? of its parts may come next\./u;
    expect(() => compiled.start().mask()).toThrow(refusal);
  });
});

describe('rules in rules', () => {
  it('are followed as deeply as they go', () => {
    const compiled = compile(...chain(3000, '"b"', '"a"'));
    expect(compiled.search().found()).toBe('pushes');
    const matcher = compiled.start();
    matcher.accept(tokenizer.idOf('a') as number);
    for (let i = 0; i < 3; i++) matcher.accept(tokenizer.idOf('b') as number);
    expect(texts(matcher.mask())).toContain('b');
    expect(texts(matcher.mask())).not.toContain('a');
  });

  it('are read once for a mask, however many of them may end with one token', () => {
    const trie = tokenBytesTrie(tokenizer, tokenizer.vocabSize);
    const workOf = (depth: number) => {
      const automaton = new Automaton();
      new TokenMasks(automaton, trie, tokenizer.endIds).maskOf(automaton.startOf(ebnfGrammar(chain(depth, '"b"?', '"a"?').join('\n'))));
      return automaton.work;
    };
    // Each rule's end by itself: 2,000 times 1,000 places.
    expect(workOf(2000)).toBeLessThan(40 * 2000);
  });

  it.each([
    ['each behind what may be left out', [...many(5000, (i) => `${i === 0 ? 'root' : `r${i}`} ::= "b"? r${i + 1}`), 'r5000 ::= "a"?']],
    ['each twice in the next one', chain(100, '"b"?', '"a"?').map((rule, i) => (i < 100 ? `${rule} r${i + 1}` : rule))],
  ])('are refused where too many may come next: %s', (_, rules) => {
    const refusal = /^format cannot be followed: at one place of an answer more than \d+000 of its parts may come next\./u;
    expect(() => compile(...rules).start().mask()).toThrow(refusal);
  });

  // A chain of 200 took 1.6 s once, one of 500 more than 10 s.
  it.each([
    ['a chain', chain(3000, '"b"', '"a"')], ['a chain of what may be empty', chain(3000, '"b"?', '"a"?')],
    ['a chain that doubles', many(3000, (i) => `${i === 0 ? 'root' : `r${i}`} ::= r${i + 1} r${i + 1}`).concat('r3000 ::= "a"?')],
    ['a chain, its end first', chain(3000, '"b"?', '"a"?').toReversed()],
    ['one of all others', [`root ::= ${many(3000, (i) => `r${i}`).join(' ')}`, ...many(3000, (i) => `r${i} ::= ""`)]],
  ])('are compiled in bounded time: %s', (_, rules) => {
    expect(processorMs(() => void compile(...rules))).toBeLessThan(1500);
  });

  it.each([
    ['through what may be empty', ['root ::= "x" a', 'a ::= b? c', 'b ::= "y"', 'c ::= b* a | "z"']],
    ['at the end of a chain', [...chain(500, '"b"', 'r400')].concat('other ::= "a"')],
  ])('are refused where one begins with itself: %s', (_, rules) => {
    expect(() => compile(...rules)).toThrow(/begins with itself|never ends/u);
  });

  it('may hold themselves behind something', () => {
    expect(() => compile('root ::= a', 'a ::= b c', 'b ::= "y"?', 'c ::= "(" a ")" | "z"')).not.toThrow();
  });
});

describe('schemas', () => {
  const compiler = () => createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
  const refs = (count: number, refer: (to: JsonObject) => JsonObject): JsonObject => ({
    ...refer({ $ref: '#/$defs/a0' }),
    $defs: Object.fromEntries(Array.from({ length: count }, (_, i) =>
      [`a${i}`, i === count - 1 ? { type: 'string' } : refer({ $ref: `#/$defs/a${i + 1}` })])),
  });

  it.each([
    ['references', (to: JsonObject) => to], ['references in unions', (to: JsonObject) => ({ anyOf: [to] })],
    ['references in nots', (to: JsonObject) => ({ not: to })],
  ] as const)('%s that lead to each other are followed, and too many refused', (_, refer) => {
    expect(() => compiler().compile({ type: 'schema', schema: refs(200, refer) })).not.toThrow();
    expect(() => compiler().compile({ type: 'schema', schema: refs(10_000, refer) }))
      .toThrow(/^The schema at #\/\$defs\/a\d+.*: it is behind more than 700 references and unions, one in the other\./u);
  });

  it('values of two enums are each looked at once', () => {
    let reads = 0;
    const counted = (from: number) => Array.from({ length: 1000 }, (_, i) => i + from).map((value) => Object.defineProperty({}, 'a', {
      enumerable: true,
      get() {
        reads++;
        return value;
      },
    }));
    const [a, b] = [counted(0), counted(900)].map((values) => ({ ...anyFacts('#'), values }));
    expect(bothFacts(a!, b!).values).toHaveLength(100);
    expect(reads).toBe(2000);
  });
});

it('members that need each other in a chain are no more work than they are', () => {
  const names = many(1001, (i) => `n${i}`);
  const dependentRequired = Object.fromEntries(names.slice(1).map((name, i) => [names[i] as string, [name]]));
  const compiler = createGrammarCompiler(tokenizer, tokenizer.vocabSize, tokenizer.endIds);
  const add = vi.spyOn(Set.prototype, 'add');
  compiler.compile({ type: 'schema', schema: { dependentRequired } });
  const added = add.mock.calls.length;
  add.mockRestore();
  // Each with all behind it: 500,000.
  expect(added).toBeLessThan(50_000);
});
