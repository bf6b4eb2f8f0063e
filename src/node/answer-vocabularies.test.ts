/** Answers as tokens of real vocabularies, cut at random, so that tokens split marks and characters. */
import { describe, expect, it } from 'vitest';
import { answerCases, answerTools } from '../../test/answer-cases.ts';
import type { AnswerCase } from '../../test/answer-cases.ts';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { createRandom } from '../../test/fuzz-text.ts';
import { createAnswerText } from '../engine/answer-text.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import { dialectNamed } from '../text/answers/dialects.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { loadTokenizer } from './load-tokenizer.ts';

/** Vocabularies whose texts come back as they are, however they are cut. */
const VOCABULARIES = ['qwen2', 'llama-bpe', 'gemma-4'] as const;

interface CutOptions {
  readonly most: number;
  readonly random: () => number;
}

/** Tokens of the text cut in pieces of up to `most` characters, some of them as single bytes where the vocabulary has those. */
function tokensOf(tokenizer: Tokenizer, text: string, { most, random }: CutOptions): number[] {
  const specials = [...text.matchAll(/<\|?"?[\w/"|]*\|?>|\[\/?[A-Z_]+\]/g)].filter(([mark]) => {
    const id = tokenizer.idOf(mark);
    return id !== undefined && tokenizer.isSpecial(id);
  });
  const tokens: number[] = [];
  for (let at = 0; at < text.length; ) {
    const special = specials.find(({ index }) => index >= at);
    if (special?.index === at) {
      tokens.push(tokenizer.idOf(special[0]) as number);
      at += special[0].length;
      continue;
    }
    let end = Math.min(at + 1 + Math.floor(random() * most), special?.index ?? text.length, text.length);
    // Not between the halves of a pair.
    if (text.codePointAt(end - 1)! > 0xffff) end++;
    tokens.push(...tokenizer.encode(text.slice(at, end)));
    at = end;
  }
  return tokens;
}

function read(tokenizer: Tokenizer, each: AnswerCase, tokens: readonly number[]) {
  const answer = createAnswerText({
    tokenizer,
    format: { dialect: dialectNamed(each.dialect), tools: each.withoutTools === true ? [] : answerTools },
    stops: [],
    promptTail: each.promptTail ?? '',
    callId: String,
  });
  const collector = createPartCollector();
  const seen: number[] = [];
  const take = () => {
    const parts = answer.takeParts();
    collector.add(parts);
    for (const part of parts) seen.push(...part.tokens);
  };
  for (const token of tokens) {
    answer.push(token);
    take();
  }
  answer.end();
  answer.close();
  take();
  expect(seen).toEqual(tokens);
  const { reasoning, content, toolCalls } = collector.content();
  return { reasoning, content, calls: toolCalls.map(({ name, arguments: args }) => [name, args]), incomplete: answer.incompleteCalls };
}

describe.skipIf(!hasShared('vocab'))('answers in tokens of a real vocabulary', () => {
  it.each(VOCABULARIES)('%s', async (name) => {
    const tokenizer = await loadTokenizer(`${sharedPath}/vocab/${name}.gguf`);
    const random = createRandom(11);
    let halves = 0;
    // Ends of answers that are no control tokens of this vocabulary would be text.
    const end = /(?:<\|(?:im_end|eot_id|eom_id|end|tool_response)\|?>|<\/s>)$/;
    const cases = answerCases.map((each) => ({ ...each, text: each.text.replace(end, '') }));
    for (const each of cases) {
      const whole = read(tokenizer, each, tokensOf(tokenizer, each.text, { most: Infinity, random }));
      if (each.withoutTools !== true)
        expect(whole, each.name).toEqual({
          reasoning: each.reasoning ?? '', content: each.content ?? '', calls: each.calls ?? [], incomplete: each.incomplete ?? 0,
        });
      for (let round = 0; round < 4; round++) {
        const tokens = tokensOf(tokenizer, each.text, { most: 1 + 3 * round, random });
        halves += tokens.filter((token) => tokenizer.decode([token]).includes('\ufffd')).length;
        expect(read(tokenizer, each, tokens), each.name).toEqual(whole);
      }
    }
    expect(cases.length).toBeGreaterThan(100);
    expect(halves).toBeGreaterThan(10);
  });
});
