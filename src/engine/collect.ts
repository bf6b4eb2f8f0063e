/** Reads a generation to its end, for callers that do not stream. */
import { InputError } from '../tensor/errors.ts';
import type { ChosenLogprob, FinalPiece, Piece } from './api.ts';

export interface CollectedAnswer extends Omit<FinalPiece, 'logprobs'> {
  /** Of all tokens, where asked for. */
  readonly logprobs: readonly ChosenLogprob[] | undefined;
}

interface Collecting {
  text: string;
  readonly tokens: number[];
  readonly logprobs: ChosenLogprob[];
  last: FinalPiece | undefined;
}

/** All answers of a generation, in the order of their indices. Rejects as the iteration does. */
export async function collectChoices(generation: AsyncIterable<Piece>): Promise<CollectedAnswer[]> {
  const answers: Collecting[] = [];
  for await (const piece of generation) {
    const answer = (answers[piece.index] ??= { text: '', tokens: [], logprobs: [], last: undefined });
    answer.text += piece.text;
    answer.tokens.push(...piece.tokens);
    answer.logprobs.push(...(piece.logprobs ?? []));
    if (piece.finishReason !== undefined) answer.last = piece;
  }
  return answers.map(({ text, tokens, logprobs, last }) => {
    if (last === undefined) throw new Error('The generation ended without a last piece.');
    return { ...last, text, tokens, logprobs: last.logprobs === undefined ? undefined : logprobs };
  });
}

/** The whole text and all tokens of one answer, with the figures of the last piece. Rejects as the iteration does. */
export async function collect(generation: AsyncIterable<Piece>): Promise<CollectedAnswer> {
  const [answer, other] = await collectChoices(generation);
  if (answer === undefined) throw new Error('The generation ended without a last piece.');
  if (other !== undefined) throw new InputError('collect is for one answer, and this generation makes several (n): use collectChoices.');
  return answer;
}
