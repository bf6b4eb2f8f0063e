/** Reads a generation to its end, for callers that do not stream. */
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import type { AnswerContent, PartCollector } from '../text/answers/collect-parts.ts';
import type { ChosenLogprob, FinalPiece, Piece } from './generation-api.ts';

/** `content` is what was said, without reasoning and tool calls; `text` all that was written. */
export interface CollectedAnswer extends Omit<FinalPiece, 'logprobs'>, AnswerContent {
  /** Of all tokens, where asked for. */
  readonly logprobs: readonly ChosenLogprob[] | undefined;
}

interface Collecting {
  text: string;
  readonly tokens: number[];
  readonly parts: AnswerPart[];
  readonly content: PartCollector;
  readonly logprobs: ChosenLogprob[];
  last: FinalPiece | undefined;
}

function startCollecting(): Collecting {
  return { text: '', tokens: [], parts: [], content: createPartCollector(), logprobs: [], last: undefined };
}

/** @param what which function takes what, for the message @throws InputError for what cannot be read */
export function checkStream(stream: AsyncIterable<unknown>, what: string): void {
  if (typeof (stream as Partial<AsyncIterable<unknown>> | undefined | null)?.[Symbol.asyncIterator] === 'function') return;
  throw new InputError(`${what}, found ${describeValue(stream)}.`);
}

/** All answers of a generation, in the order of their indices. Rejects as the iteration does. */
export async function collectChoices(generation: AsyncIterable<Piece>): Promise<CollectedAnswer[]> {
  checkStream(generation, 'collect and collectChoices take a generation, as model.generate and chat.send give it');
  const answers: Collecting[] = [];
  for await (const piece of generation) {
    const answer = (answers[piece.index] ??= startCollecting());
    answer.text += piece.text;
    answer.tokens.push(...piece.tokens);
    answer.parts.push(...piece.parts);
    answer.content.add(piece.parts);
    answer.logprobs.push(...(piece.logprobs ?? []));
    if (piece.finishReason !== undefined) answer.last = piece;
  }
  return answers.map(({ text, tokens, parts, content, logprobs, last }) => {
    if (last === undefined) throw new Error('The generation ended without a last piece.');
    return { ...last, ...content.content(), text, tokens, parts, logprobs: last.logprobs === undefined ? undefined : logprobs };
  });
}

/** The whole text and all tokens of one answer, with the figures of the last piece. Rejects as the iteration does. */
export async function collect(generation: AsyncIterable<Piece>): Promise<CollectedAnswer> {
  const [answer, other] = await collectChoices(generation);
  if (answer === undefined) throw new Error('The generation ended without a last piece.');
  if (other !== undefined) throw new InputError('collect is for one answer, and this generation makes several (n): use collectChoices.');
  return answer;
}
