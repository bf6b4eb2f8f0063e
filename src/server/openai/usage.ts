/** The figures of an answer, in OpenAI's form. */
import type { Piece, Usage } from '../../engine/api.ts';

export interface UsageSum {
  add(piece: Piece): void;
  usage(): object;
}

/** Over all answers to a request: the tokens of each prompt count once, however many answers it has. @param n of one prompt */
export function createUsageSum(n = 1): UsageSum {
  let [completion, reasoning, prompt, cached] = [0, 0, 0, 0];
  const prompts = new Set<number>();
  const addPrompt = (number: number, { promptTokens, cachedTokens }: Usage) => {
    if (prompts.has(number)) return;
    prompts.add(number);
    prompt += promptTokens;
    cached += cachedTokens;
  };
  return {
    add(piece) {
      completion += piece.tokens.length;
      for (const part of piece.parts) if (part.kind === 'reasoning') reasoning += part.tokens.length;
      // Of several answers only the first one's prompt was read.
      if (piece.finishReason !== undefined && piece.index % n === 0) addPrompt(Math.floor(piece.index / n), piece.usage);
    },
    usage: () => ({
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: cached },
      completion_tokens_details: { reasoning_tokens: reasoning },
    }),
  };
}
