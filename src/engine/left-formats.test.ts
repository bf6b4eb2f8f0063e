/** Answers with a format that are left, aborted or cut: pages, slots and what follows the grammar are free again. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { fakeCores } from '../../test/fake-core.ts';
import { FAKE_HOST, FAKE_VOCAB, fakeTextSide } from '../../test/fake-model.ts';
import type { GrammarCompiler, OutputFormat } from '../text/grammars/output-format.ts';
import type { GrammarMatcher } from '../text/grammars/matcher.ts';
import { resolveDecoding } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';

const cores = fakeCores();
const text = fakeTextSide();
const FORMATS: readonly OutputFormat[] = [
  { type: 'json' }, { type: 'regex', pattern: '(?:[a-z]{3,9} ){100}' },
  { type: 'schema', schema: { type: 'array', minItems: 40, items: { type: 'object', properties: { name: { type: 'string', maxLength: 9 } },
    required: ['name'] } } },
];

/** V8 collects nothing while a turn of the event loop that used it runs; what it keeps for longer is asked for again, up to a bound. */
async function collectGarbage(isCollected: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let i = 0; i < 50 && !isCollected(); i++) {
    await new Promise((resolve) => setTimeout(resolve));
    gc();
  }
}

/** A compiler whose matchers are told of, without being held. */
function watched(compiler: GrammarCompiler, made: WeakRef<GrammarMatcher>[]): GrammarCompiler {
  return {
    compile(format) {
      const grammar = compiler.compile(format);
      return {
        ...grammar,
        start(options) {
          const matcher = grammar.start(options);
          made.push(new WeakRef(matcher));
          return matcher;
        },
      };
    },
  };
}

describe.each([
  ['logits', {}], ['tokens', { choosesSteps: 8 }], ['tokens, with windows and slots', { choosesSteps: 8, window: 70, hasSlots: true }],
])('200 answers with formats, left at random, of a program that makes %s', (_, states) => {
  it('leave pages and slots free, and no matcher behind', async () => {
    const { core } = cores(states);
    const made: WeakRef<GrammarMatcher>[] = [];
    const grammars = watched(text.grammars!(FAKE_VOCAB), made);
    const call = async (n: number) => {
      const controller = new AbortController();
      const options = { maxTokens: 2 + (n % 23), temperature: 1, seed: n, format: FORMATS[n % 3] };
      const settings = resolveDecoding(options, { ...FAKE_HOST, grammars });
      const promptIds = Array.from({ length: 3 + ((n * 7) % 80) }, (_id, i) => 97 + ((n + i) % 26));
      let tokens = 0;
      try {
        for await (const piece of generatePieces(() => ({ core, text, promptIds, settings, signal: controller.signal }))) {
          tokens += piece.tokens.length;
          if (n % 4 === 1 && tokens > n % 11) break;
          if (n % 4 === 2 && tokens > n % 7) controller.abort(new Error('left'));
        }
      } catch (error) {
        expect((error as Error).message).toBe('left');
      }
    };
    for (let n = 0; n < 200; n += 10) await Promise.all(Array.from({ length: 10 }, (_call, i) => call(n + i)));
    const { state } = core;
    expect(state.free.map((free, group) => free + (state.cached[group] as number))).toEqual(state.allocated);
    expect(state.slots.free + state.slots.cached).toBe(state.slots.allocated);
    expect(made.length).toBeGreaterThanOrEqual(200);
    const kept = () => made.filter((ref) => ref.deref() !== undefined);
    await collectGarbage(() => kept().length === 0);
    expect(kept()).toHaveLength(0);
  });
});
