/**
 * Answers that may begin as somebody says: a draft goes through the decoder as rows of one step, and what the decoder says itself is kept
 * (as the target model of speculative decoding does it, Leviathan et al. 2023, at temperature 0).
 */
import { likeliest, rowsBefore, takeTokens } from './greedy-answers.ts';
import type { Answer, AnswerBounds } from './greedy-answers.ts';

export interface DraftStep {
  readonly answer: Answer;
  readonly tokens: ArrayLike<number>;
  /** Position of the first of them. */
  readonly start: number;
  /** Indices into them, ascending. */
  readonly outputs: readonly number[];
}

/** Logits [outputs, vocabulary] of a step. */
export type RunDraft = (step: DraftStep) => Promise<Float32Array>;

/**
 * Of the likeliest logit, how near another one counts as a tie. Rows of one step and steps of one row may round differently, by 1e-5 with
 * weights of 32 bits and more where an executor has kernels of f16; which of two is likelier is then for a step of one row to say.
 */
const TIE = 2 ** -8;

/** Adds the tokens of a draft that are the likeliest, and the first one that is instead. */
export async function takeDraft(answer: Answer, draft: ArrayLike<number>, bounds: AnswerBounds, run: RunDraft): Promise<void> {
  let from = 0;
  while (!answer.isDone && from < draft.length) {
    bounds.signal?.throwIfAborted();
    const { tokens: before, start } = rowsBefore(answer, bounds);
    // The last token of an answer is not in the state.
    const rest = Array.from(draft).slice(from, from + bounds.most - answer.tokens.length - 1);
    const tokens = [...Array.from(before), ...rest];
    const outputs = Array.from({ length: rest.length + 1 }, (_, i) => before.length - 1 + i);
    const logits = await run({ answer, tokens, start, outputs });
    const width = logits.length / outputs.length;
    const clear = clearTokens(logits, width, rest);
    takeTokens(answer, clear, bounds);
    from += clear.length;
    const differs = clear.length > 0 && clear.at(-1) !== rest[clear.length - 1];
    if (answer.isDone || differs) return;
    const row = rowsBefore(answer, bounds);
    const one = await run({ answer, ...row, outputs: [row.tokens.length - 1] });
    const token = likeliest(one);
    takeTokens(answer, [token], bounds);
    if (token !== draft[from]) return;
    from++;
  }
}

/** The likeliest token of each row up to one that a draft does not have, or to a tie. */
function clearTokens(logits: Float32Array, width: number, draft: readonly number[]): number[] {
  const tokens: number[] = [];
  for (let row = 0; row <= draft.length; row++) {
    const of = logits.subarray(row * width, (row + 1) * width);
    const best = likeliest(of);
    if (isTie(of, best)) break;
    tokens.push(best);
    if (best !== draft[row]) break;
  }
  return tokens;
}

function isTie(logits: Float32Array, best: number): boolean {
  const most = logits[best] as number;
  const near = most - TIE * Math.max(1, Math.abs(most));
  for (let i = 0; i < logits.length; i++) if (i !== best && (logits[i] as number) >= near) return true;
  return false;
}
