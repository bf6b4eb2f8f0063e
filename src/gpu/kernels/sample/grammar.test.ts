import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emberTokenizer } from '../../../../test/ember-tokenizer.ts';
import { createRandom } from '../../../../test/fuzz-text.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { structuredSchemas } from '../../../../test/structured-schemas.ts';
import { idsIn } from '../../../../test/table-mask.ts';
import type { TokenGrammar } from '../../../tensor/byte-table.ts';
import { createGrammarCompiler } from '../../../text/grammars/output-format.ts';
import type { GrammarMatcher } from '../../../text/grammars/matcher.ts';
import type { AnswerStart, OutputFormat } from '../../../text/grammars/output-format.ts';
import { grammarMaskKernel, grammarWorkgroups } from './grammar-mask.ts';
import { grammarStepKernel } from './grammar-step.ts';
import { PLACE_WORDS, placeWords } from './table-walk.ts';

const tokenizer = await emberTokenizer();
const { endIds, vocabSize: vocab } = tokenizer;
const compiler = createGrammarCompiler(tokenizer, vocab, endIds);
const RING = 1;
const MINUS_INFINITY = 0xff800000;

/** A control token that ends no answer. */
const CONTROL = '<|im_start|>';
const CALLS: OutputFormat = { type: 'tags', tags: [{ begin: CONTROL, content: { type: 'json' }, end: CONTROL }] };

interface Case {
  readonly format: OutputFormat;
  readonly start?: AnswerStart;
}

const OTHERS: readonly OutputFormat[] = [
  CALLS, { ...CALLS, text: false }, { type: 'json' }, { type: 'choice', choices: ['alpha', 'beta', 'alphabet', 'é'] },
  { type: 'regex', pattern: '(?:[A-Z][a-z]{2,9} \\d{1,3}; ){20}' },
  { type: 'grammar', grammar: 'root ::= "(" root? ")" | "[" [0-9]{1,3} "]"' },
];
const FORMATS: readonly Case[] = [
  ...[...OTHERS, ...structuredSchemas().map(({ schema }): OutputFormat => ({ type: 'schema', schema }))].map((format) => ({ format })),
  ...['</think>', CONTROL].map((thoughtEnd): Case => ({ format: { type: 'json' }, start: { thoughtEnd } })),
];

interface Answer {
  readonly matcher: GrammarMatcher;
  readonly grammar: TokenGrammar;
  /** Where its table lies. */
  readonly at: number;
}

/** Tables one behind the other, and answers that have got somewhere. */
function beginAnswers(cases: readonly Case[], random: () => number) {
  const tables: number[] = [];
  const answers = cases.map(({ format, start }): Answer => {
    const matcher = compiler.compile(format).start(start);
    for (let steps = Math.floor(random() * 20); steps > 0; steps--) {
      const ids = idsIn(matcher.mask()).filter((id) => !endIds.has(id));
      if (ids.length > 0) matcher.accept(ids[Math.floor(random() * ids.length)] as number);
    }
    const grammar = matcher.onDevice() as TokenGrammar;
    const at = tables.length;
    for (const word of grammar.table) tables.push(word);
    return { matcher, grammar, at };
  });
  return { answers, tables: Uint32Array.from(tables) };
}

function placesOf(answers: readonly Answer[]): Uint32Array {
  const places = new Uint32Array(answers.length * PLACE_WORDS);
  for (const [row, { at, grammar: { place } }] of answers.entries())
    if (place !== undefined) places.set(placeWords(at, place), row * PLACE_WORDS);
  return places;
}

describe('grammars on the device', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  it('allow the tokens that the matcher allows, and go on as it does: 68 formats, two steps each', async () => {
    const random = createRandom(11);
    const { answers, tables } = beginAnswers(FORMATS, random);
    const { spans } = answers[0]!.grammar;
    // Rows of the logits, and sequences, in other orders than the rows; the last sequence has no grammar.
    const count = answers.length;
    const rows = Uint32Array.from([...answers.keys(), count].flatMap((row) => [count - row, row]));
    let places = new Uint32Array([...placesOf(answers), ...new Uint32Array(PLACE_WORDS)]);
    for (let step = 0; step < 2; step++) {
      const masked = await device.run({
        kernel: grammarMaskKernel({ vocab }), workgroups: [grammarWorkgroups({ vocab }), count + 1, 1],
        buffers: { logits: new Uint32Array((count + 1) * vocab), rows, places, tables, spans: spans.words },
      });
      const logits = masked.get('logits') as Uint32Array;
      const chosen = new Uint32Array((count + 1) * (4 + RING));
      for (const [row, { matcher }] of answers.entries()) {
        const own = logits.subarray((count - row) * vocab, (count - row + 1) * vocab);
        const allowed = [...own.keys()].filter((id) => own[id] !== MINUS_INFINITY);
        expect(allowed, JSON.stringify(FORMATS[row])).toEqual(matcher.isDone ? [...own.keys()] : idsIn(matcher.mask()));
        const token = allowed[Math.floor(random() * allowed.length)] as number;
        matcher.accept(token);
        chosen[row * (4 + RING) + 2] = token;
      }
      expect(logits.subarray(0, vocab).every((bits) => bits === 0)).toBe(true);
      const gone = await device.run({
        kernel: grammarStepKernel({ vocab, ringSize: RING }), workgroups: [1, count + 1, 1],
        buffers: { rows, chosen, places, tables, spans: spans.words },
      });
      places = gone.get('places') as Uint32Array<ArrayBuffer>;
      const expected = answers.map(({ matcher, at }) => ({ matcher, at, grammar: matcher.onDevice() as TokenGrammar }));
      for (const [row, { grammar: { place }, at }] of expected.entries()) {
        const words = place === undefined ? [0] : [...placeWords(at, place)];
        expect([...places.subarray(row * PLACE_WORDS, row * PLACE_WORDS + words.length)]).toEqual(words);
      }
    }
  });
});
