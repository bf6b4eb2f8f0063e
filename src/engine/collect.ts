/** Reads a generation to its end, for callers that do not stream. */
import type { ChosenLogprob, FinalPiece, Piece } from './api.ts';

export interface CollectedAnswer extends Omit<FinalPiece, 'logprobs'> {
  /** Of all tokens, where asked for. */
  readonly logprobs: readonly ChosenLogprob[] | undefined;
}

/** The whole text and all tokens, with the figures of the last piece. Rejects as the iteration does. */
export async function collect(generation: AsyncIterable<Piece>): Promise<CollectedAnswer> {
  let text = '';
  const tokens: number[] = [];
  const logprobs: ChosenLogprob[] = [];
  let last: FinalPiece | undefined;
  for await (const piece of generation) {
    text += piece.text;
    tokens.push(...piece.tokens);
    logprobs.push(...(piece.logprobs ?? []));
    if (piece.finishReason !== undefined) last = piece;
  }
  if (last === undefined) throw new Error('The generation ended without a last piece.');
  return { ...last, text, tokens, logprobs: last.logprobs === undefined ? undefined : logprobs };
}
