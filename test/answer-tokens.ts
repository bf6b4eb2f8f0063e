/** Recorded answers as tokens, cut in many ways, and what a dialect's parser makes of them. */
import { expect } from 'vitest';
import type { AnswerParser, AnswerVocabulary } from '../src/text/answers/answer-dialect.ts';
import type { AnswerPart } from '../src/text/answers/answer-parts.ts';
import { createPartCollector } from '../src/text/answers/collect-parts.ts';
import { dialectNamed } from '../src/text/answers/dialects.ts';
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { answerTools, controlsOf } from './answer-cases.ts';
import type { AnswerCase } from './answer-cases.ts';

/** `text`: what became whole with the token, a control token spelled out. */
export interface AnswerToken {
  readonly text: string;
  readonly isSpecial: boolean;
}

/** `controls`: marks that are control tokens; default those of the dialect's families. */
interface SpelledAnswer extends Pick<AnswerCase, 'text' | 'dialect'> {
  readonly controls?: readonly string[] | undefined;
}

/** Control tokens one each, all other text as one token between them. */
export function spellTokens({ text, dialect, controls = controlsOf[dialect] ?? [] }: SpelledAnswer): AnswerToken[] {
  const tokens: AnswerToken[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const control = controls.find((mark) => text.startsWith(mark, at));
    if (control === undefined) continue;
    if (at > from) tokens.push({ text: text.slice(from, at), isSpecial: false });
    tokens.push({ text: control, isSpecial: true });
    from = at + control.length;
    at = from - 1;
  }
  return from < text.length ? [...tokens, { text: text.slice(from), isSpecial: false }] : tokens;
}

/** A token for each character, and two for those that are several bytes: the first then has no text. */
export function characters(tokens: readonly AnswerToken[]): AnswerToken[] {
  return tokens.flatMap((token) => {
    if (token.isSpecial) return [token];
    return [...token.text].flatMap((text) => {
      const whole = { text, isSpecial: false };
      return text > '\u007f' ? [{ text: '', isSpecial: false }, whole] : [whole];
    });
  });
}

/** Tokens of as many of {@link characters} as `size` says each time. */
export function cutTokens(tokens: readonly AnswerToken[], size: () => number): AnswerToken[] {
  const cut: AnswerToken[] = [];
  for (let at = 0; at < tokens.length; ) {
    const first = tokens[at] as AnswerToken;
    let text = first.text;
    let end = at + 1;
    const most = at + size();
    for (; !first.isSpecial && end < most && tokens[end]?.isSpecial === false; end++) text += tokens[end]?.text ?? '';
    cut.push({ text, isSpecial: first.isSpecial });
    at = end;
  }
  return cut;
}

export interface Parsed {
  readonly parts: readonly AnswerPart[];
  readonly incomplete: number;
  readonly whole: number;
}

type ParsedAnswer = Pick<AnswerCase, 'dialect' | 'promptTail' | 'withoutTools'> & Pick<SpelledAnswer, 'controls'>;

function openParser(answer: ParsedAnswer): AnswerParser {
  const { controls = controlsOf[answer.dialect] ?? [] } = answer;
  const idOf = (text: string): number | undefined => (controls.includes(text) ? controls.indexOf(text) : undefined);
  const vocabulary: AnswerVocabulary = { idOf, isSpecial: () => true };
  const { promptTail, withoutTools } = answer;
  return dialectNamed(answer.dialect).createParser(vocabulary, { promptTail, tools: withoutTools === true ? [] : answerTools });
}

/** Ids are places in `tokens`. */
export function parseTokens(answer: ParsedAnswer, tokens: readonly AnswerToken[]): Parsed {
  const parser = openParser(answer);
  const parts: AnswerPart[] = [];
  for (const [id, { text, isSpecial }] of tokens.entries()) {
    parser.push(text, isSpecial);
    parser.endToken(id);
    parts.push(...parser.take());
  }
  parser.end();
  parts.push(...parser.take());
  return { parts, incomplete: parser.incompleteCalls, whole: parser.wholeCalls };
}

/** What is certain of an answer after a token. */
export interface Beginning {
  readonly reasoning: string;
  readonly content: string;
  /** Names, and what there is of the arguments' JSON. */
  readonly calls: readonly { readonly name: string; json: string }[];
}

/** What is certain after each token. */
export function parseBeginnings(answer: ParsedAnswer, tokens: readonly AnswerToken[]): Beginning[] {
  const parser = openParser(answer);
  let [reasoning, content] = ['', ''];
  const calls: { readonly name: string; json: string }[] = [];
  return tokens.map(({ text, isSpecial }, id) => {
    parser.push(text, isSpecial);
    parser.endToken(id);
    for (const part of parser.take()) {
      if (part.kind === 'text') content += part.text;
      else if (part.kind === 'reasoning') reasoning += part.text;
      else if (part.phase === 'start') calls.push({ name: part.name, json: '' });
      else if (part.phase === 'arguments') {
        const { name = '', json = '' } = calls[part.index] ?? {};
        calls[part.index] = { name, json: json + part.text };
      }
    }
    return { reasoning, content, calls: [...calls] };
  });
}

export interface Collected {
  readonly reasoning: string;
  readonly content: string;
  readonly calls: readonly (readonly [name: string, args: JsonObject])[];
  readonly incomplete: number;
}

export function collected({ parts, incomplete }: Parsed): Collected {
  const collector = createPartCollector();
  collector.add(parts);
  const { reasoning, content, toolCalls } = collector.content();
  return { reasoning, content, calls: toolCalls.map(({ name, arguments: args }) => [name, args]), incomplete };
}

function same(what: string, found: unknown, want: unknown): void {
  // An assertion for each of thousands takes seconds.
  if (JSON.stringify(found) !== JSON.stringify(want)) expect(found, what).toEqual(want);
}

/** Every token is in one part, in order; calls begin, go on and end in order, and arguments join to what the end says. */
export function checkParts({ parts, whole }: Parsed, tokens: readonly AnswerToken[]): void {
  same('tokens', parts.flatMap((part) => part.tokens), tokens.map((_, id) => id));
  const open: { readonly name: string; readonly id: string; json: string }[] = [];
  let ended = 0;
  for (const part of parts) {
    if (part.kind !== 'toolCall') continue;
    if (part.phase === 'start') {
      same('the index of a call', part.index, open.length);
      open.push({ name: part.name, id: part.id, json: '' });
      continue;
    }
    const call = open[part.index];
    if (call === undefined) throw new Error(`call ${part.index} goes on before it begins`);
    same('the id of a call', part.id, call.id);
    if (part.phase === 'arguments') call.json += part.text;
    else {
      ended++;
      same('the name of a call', part.name, call.name);
      same('the arguments of a call', JSON.parse(call.json), part.arguments);
    }
  }
  same('whole calls', ended, whole);
}
