/** Log probabilities in OpenAI's form. */
import type { ChosenLogprob, Model, Piece, TokenLogprob } from '../../engine/api.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';

export interface TokenEntry {
  readonly token: string;
  readonly logprob: number;
  /** UTF-8 of the token, which may be a part of a character. */
  readonly bytes: readonly number[];
}

export interface ContentEntry extends TokenEntry {
  readonly top_logprobs: readonly TokenEntry[];
}

/** JSON has no infinities: what cannot be is as unlikely as OpenAI says it. */
const LEAST = -9999;

function entryOf({ token, logprob }: TokenLogprob, tokenizer: Tokenizer): TokenEntry {
  const bytes = token < tokenizer.vocabSize ? tokenizer.tokenBytes(token) : new Uint8Array();
  return { token: new TextDecoder().decode(bytes), logprob: Math.max(logprob, LEAST), bytes: [...bytes] };
}

/** Of an answer's tokens but the one that ends it, which is no part of the text. */
export function textLogprobs({ logprobs = [], finishReason }: Piece, { tokenizer }: Model): readonly ChosenLogprob[] {
  const last = logprobs.at(-1);
  const isEnd = finishReason === 'stop' && last !== undefined && tokenizer.endIds.has(last.token);
  return isEnd ? logprobs.slice(0, -1) : logprobs;
}

export function contentLogprobs(piece: Piece, model: Model): readonly ContentEntry[] {
  return textLogprobs(piece, model).map((chosen) => ({
    ...entryOf(chosen, model.tokenizer), top_logprobs: chosen.top.map((one) => entryOf(one, model.tokenizer)),
  }));
}
