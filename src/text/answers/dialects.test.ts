/** Every dialect over recorded answers, cut in every way. */
import { describe, expect, it } from 'vitest';
import { answerCases } from '../../../test/answer-cases.ts';
import type { AnswerCase } from '../../../test/answer-cases.ts';
import { characters, checkParts, collected, cutTokens, parseTokens, spellTokens } from '../../../test/answer-tokens.ts';
import { createRandom } from '../../../test/fuzz-text.ts';
import { DIALECTS } from './dialects.ts';

const outcomeOf = (each: AnswerCase) => ({
  reasoning: each.reasoning ?? '',
  content: each.content ?? '',
  calls: each.calls ?? [],
  incomplete: each.incomplete ?? 0,
});

describe.each(DIALECTS.map(({ name }) => name))('%s', (name) => {
  const cases = answerCases.filter(({ dialect }) => dialect === name);

  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const tokens = spellTokens(each);
    expect(collected(parseTokens(each, tokens))).toEqual(outcomeOf(each));
  });

  it('reads the same wherever the tokens are cut, and never takes a cut call for whole', () => {
    expect(cases.length).toBeGreaterThan(2);
    const random = createRandom(7);
    for (const each of cases) {
      const whole = outcomeOf(each);
      const tokens = characters(spellTokens(each));
      const atRandom = () => cutTokens(tokens, () => 1 + Math.floor(random() * 9));
      const cuts = [tokens, cutTokens(tokens, () => 2), ...Array.from({ length: 6 }, atRandom)];
      for (const cut of cuts) {
        const parts = parseTokens(each, cut);
        checkParts(parts, cut);
        expect(collected(parts), each.name).toEqual(whole);
      }
    }
  });

  it('says of every beginning of an answer no more than of the whole', () => {
    for (const each of cases) {
      const tokens = characters(spellTokens(each));
      const whole = collected(parseTokens(each, tokens));
      for (let length = 0; length < tokens.length; length++) {
        const beginning = cutTokens(tokens.slice(0, length), () => Infinity);
        const parts = parseTokens(each, beginning);
        checkParts(parts, beginning);
        const said = collected(parts);
        const known = whole.calls.slice(0, said.calls.length);
        // An assertion for each of thousands takes seconds.
        if (JSON.stringify(said.calls) !== JSON.stringify(known)) expect(said.calls, `${each.name}: ${length}`).toEqual(known);
      }
    }
  });
});
