import { describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../test/ember-tokenizer.ts';
import { createRandom } from '../../../test/fuzz-text.ts';
import { structuredSchemas } from '../../../test/structured-schemas.ts';
import { idsIn, tableMask, tableVocabulary } from '../../../test/table-mask.ts';
import { MOST_PUSHED } from '../../tensor/byte-table.ts';
import type { TablePlace } from '../../tensor/byte-table.ts';
import { createGrammarCompiler } from './output-format.ts';
import type { AnswerStart, OutputFormat } from './output-format.ts';
import { MOST_STEP_WORK, MOST_WORK } from './table-search.ts';

const tokenizer = await emberTokenizer();
const { endIds, vocabSize } = tokenizer;
const compiler = createGrammarCompiler(tokenizer, vocabSize, endIds);
const vocabulary = tableVocabulary(tokenizer);
/** A control token that ends no answer. */
const CONTROL = '<|im_start|>';

/** Answers to each format. Once 740 of 40 tokens (12,616 masks) were followed so, and 121 over the 151,936 tokens of qwen2 (1,655). */
const SEEDS = 2;

const schema = (of: object): OutputFormat => ({ type: 'schema', schema: of as never });
const grammar = (text: string): OutputFormat => ({ type: 'grammar', grammar: text });
const OTHERS: readonly (readonly [string, OutputFormat])[] = [
  ['json', { type: 'json' }],
  ['choice', { type: 'choice', choices: ['alpha', 'beta', 'alphabet', 'é'] }],
  ['counted', { type: 'regex', pattern: '(?:[A-Z][a-z]{2,9} \\d{1,3}; ){20}' }],
  ['any characters', { type: 'regex', pattern: '[^\\n]*\\n?' }],
  ['brackets', grammar('root ::= "(" root? ")" | "[" [0-9]{1,3} "]"')],
  ['sums', grammar('root ::= term ("+" term)*\nterm ::= [a-z]+ | "(" root ")" | [0-9]+ ("." [0-9]+)?')],
  ['spaces behind spaces', grammar('root ::= "a" s s "b" root? "c"\ns ::= " "{0,3}')],
  // A rule that may end, or go on with what follows it: both are read side by side.
  ['a rule that goes on as what follows it', grammar('root ::= "{" word word ("," root)* "}"\nword ::= [a-c]+ ("x" word)?')],
  ['text and calls', {
    type: 'tags', tags: [{ begin: '<call>', content: { type: 'json' }, end: '</call>' }], text: true,
  }],
  ['calls between control tokens', {
    type: 'tags', tags: [{ begin: CONTROL, content: { type: 'json' }, end: `${CONTROL}\n` }], min: 1, text: 'before',
  }],
  ['marks of text and control tokens', {
    type: 'tags', tags: [{ begin: `<a>${CONTROL}b`, content: { type: 'regex', pattern: '[a-c]*' }, end: 'x' }], text: false,
  }],
  ['unordered members', { type: 'schema', strict: false, schema: {
    properties: { a: { type: 'integer' }, b: { type: 'string' }, c: { type: 'boolean' } }, required: ['a'] } }],
];
const FORMATS = [...OTHERS, ...structuredSchemas().map(({ name, schema: own }) => [name, schema(own)] as const)];

interface Following extends AnswerStart {
  /** Tokens that the answer begins with. */
  readonly first?: readonly number[];
  readonly most: number;
}

/** Follows tokens chosen among those that the mask has, the longer ones rather; says how many masks were compared. */
function follow(format: OutputFormat, seed: number, { first = [], most, thoughtEnd }: Following): number {
  const random = createRandom(seed);
  const matcher = compiler.compile(format).start({ thoughtEnd });
  let steps = 0;
  for (; steps < most && !matcher.isDone; steps++) {
    const { table, place } = matcher.onDevice() ?? {};
    if (table === undefined) throw new Error('it makes no table');
    const mask = tableMask(vocabulary, table, place as TablePlace);
    expect(idsIn(mask)).toEqual(idsIn(matcher.mask()));
    const ids = idsIn(mask);
    const some = [1, 2, 3].map(() => ids[Math.floor(random() * ids.length)] as number);
    const lengthOf = (id: number) => vocabulary.trie.bytesOf(id)?.length ?? 0;
    matcher.accept(first[steps] ?? (some.toSorted((a, b) => lengthOf(b) - lengthOf(a))[seed % 3] as number));
  }
  return steps;
}

describe('a table of a grammar', () => {
  it.each(FORMATS)('%s: has the masks that the matcher makes', (_, format) => {
    let compared = 0;
    for (let seed = 0; seed < SEEDS; seed++) compared += follow(format, seed, { most: 16 });
    expect(compared).toBeGreaterThan(1);
  });

  it.each([
    ['</think>', 'a < </thi </think>\n\n'], [CONTROL, `say </think> so${CONTROL}`], ['%end', 'a %en %%e%end  '],
    ['\u25c1/think\u25b7', 'o\u25c1/o \u25c1/think\u25b7'],
  ])('has the masks of an answer within a thought, and behind it: %s', (thoughtEnd, said) => {
    const first = tokenizer.encode(said, { parseSpecial: true });
    const formats: OutputFormat[] = [
      { type: 'json' }, { type: 'regex', pattern: ' {2}[a-d]{3}' }, { type: 'choice', choices: ['\n\nyes', 'no'] },
      { type: 'tags', tags: [{ begin: CONTROL, content: { type: 'json' }, end: '' }] }, schema(structuredSchemas()[3]?.schema as object),
    ];
    for (const format of formats) expect(follow(format, 1, { first, most: first.length + 8, thoughtEnd })).toBeGreaterThan(first.length);
  });

  it('is looked for in steps of bounded work, and by no more than so many, whatever the grammar', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, { type: 'boolean' }]));
    const hostile: OutputFormat[] = [
      { type: 'schema', strict: false, schema: { properties: many(7) } },
      grammar('root ::= list ("," list)*\nlist ::= item ("," item)*\nitem ::= [a-z]+ | "<" root ">"'),
      grammar('root ::= [ab]* "a" [ab]{300}'), grammar('root ::= ([a-z]{1,40} [a-z]{1,40}){1,40}'),
      { type: 'choice', choices: Array.from({ length: 5000 }, (_, i) => `word ${i * 7919}`) },
    ];
    const fresh = createGrammarCompiler(tokenizer, vocabSize, endIds);
    for (const format of hostile) {
      const search = fresh.compile(format).search();
      let most = 0;
      for (let before = 0, isOver = false; !isOver; before = search.work) {
        isOver = search.advance();
        most = Math.max(most, search.work - before);
      }
      expect(most, JSON.stringify(format).slice(0, 200)).toBeLessThanOrEqual(MOST_STEP_WORK);
      expect(search.work).toBeLessThanOrEqual(MOST_WORK + MOST_STEP_WORK);
    }
  });

  it('is none where one byte puts more on the stack than kernels have room for', () => {
    // Each rule begins with the next one, and all go on behind it.
    const nested = (depth: number) => grammar([
      ...Array.from({ length: depth }, (_, i) => `${i === 0 ? 'root' : `r${i}`} ::= r${i + 1} "b"`), `r${depth} ::= "a"`,
    ].join('\n'));
    const longestPush = (depth: number): number | undefined => {
      const { table } = compiler.compile(nested(depth)).start().onDevice() ?? {};
      if (table === undefined) return undefined;
      const pushes = table[1] as number;
      const lists = (table[pushes] as number) - pushes;
      return Math.max(...Array.from(table.subarray(pushes, pushes + lists), (at) => table[at] as number));
    };
    expect(longestPush(MOST_PUSHED)).toBe(MOST_PUSHED);
    expect(longestPush(MOST_PUSHED + 1)).toBeUndefined();
  });
});
