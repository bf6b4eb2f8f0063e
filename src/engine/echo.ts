/** The prompt before its answer, as a piece of its own. */
import type { ChosenLogprob, GenerateOptions, TextPiece } from './generation-api.ts';
import { forEachLogits } from './forward.ts';
import type { GenerationJob } from './generate.ts';
import { logprobsOf } from './sampler.ts';

/** Nothing comes before the first token that could predict it. */
const UNPREDICTED = { logprob: Number.NaN, top: [] } as const;

/** How likely each token of the prompt was, behind those before it. Reads the prompt once, for this alone. */
async function promptLogprobs({ core, promptIds, signal }: GenerationJob, topCount: number): Promise<readonly ChosenLogprob[]> {
  const found: ChosenLogprob[] = [{ token: promptIds[0] as number, ...UNPREDICTED }];
  const positions = promptIds.slice(1).map((_, i) => i);
  await forEachLogits(core, promptIds, { positions, signal }, (logits, position) => {
    found.push(logprobsOf(logits, promptIds[position + 1] as number, topCount));
  });
  return found;
}

/** @param count how many answers there are: each has the prompt first */
export async function* echoPieces(
  job: GenerationJob, { prompt }: Pick<GenerateOptions, 'prompt'>, count: number,
): AsyncGenerator<TextPiece, void, undefined> {
  const { promptIds, text: { tokenizer }, settings: { topLogprobs } } = job;
  const logprobs = topLogprobs === undefined ? undefined : await promptLogprobs(job, topLogprobs);
  const text = prompt ?? tokenizer?.decode(promptIds.filter((id) => id >= 0 && id < tokenizer.vocabSize)) ?? '';
  for (let index = 0; index < count; index++) yield { text, tokens: promptIds, parts: [], index, logprobs };
}
