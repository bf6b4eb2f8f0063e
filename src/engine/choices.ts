/** Answers to one prompt: the first reads it, the others begin where its pages end. */
import type { GenerateOptions, Piece } from './api.ts';
import { echoPieces } from './echo.ts';
import { generatePieces } from './generate.ts';
import type { GenerationJob, PreparedJob } from './generate.ts';

/** One of the answers, and the piece that it has been asked for. */
interface Choice {
  readonly index: number;
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
}

interface Arrival {
  readonly choice: Choice;
  readonly result: IteratorResult<Piece, void>;
}

const SEEDS = 2 ** 53;

/** As the first one's, with a seed of its own. */
/** As many of the prompt's tokens as there may be state of: the last one always runs again. */
function sharedByAll({ promptIds, sharedLengths = [] }: GenerationJob): readonly number[] {
  return [...sharedLengths, promptIds.length - 1];
}

function jobOfChoice(job: GenerationJob, index: number): GenerationJob {
  const { settings, onProgress } = job;
  const sampling = { ...settings.sampling, seed: (settings.sampling.seed + index) % SEEDS };
  const sharedLengths = sharedByAll(job);
  return { ...job, sharedLengths, settings: { ...settings, sampling }, onProgress: index === 0 ? onProgress : undefined };
}

/** Pieces of `count` answers as they come, each with its index. The job that `prepare` gives has no sequence: each answer opens one. */
export async function* generateChoices(prepare: () => PreparedJob, count: number): AsyncGenerator<Piece, void, undefined> {
  const job = await prepare();
  const open = (index: number): Choice => ({ index, pieces: generatePieces(() => jobOfChoice(job, index)) });
  const all = [open(0)];
  const asked = new Map<Choice, Promise<Arrival>>();
  const ask = (choice: Choice) => asked.set(choice, choice.pieces.next().then((result) => ({ choice, result })));
  ask(all[0] as Choice);
  try {
    while (asked.size > 0) {
      const { choice, result } = await Promise.race(asked.values());
      asked.delete(choice);
      // The prompt has been read.
      while (all.length < count) ask(all[all.push(open(all.length)) - 1] as Choice);
      if (result.done === true) continue;
      yield { ...result.value, index: choice.index };
      if (result.value.finishReason === undefined) ask(choice);
    }
  } finally {
    for (const pending of asked.values()) pending.catch(() => {});
    await Promise.all(all.map(({ pieces }) => pieces.return()));
  }
}

/** Pieces of as many answers as were asked for, the prompt first where that was. */
export async function* generateAnswers(
  prepare: () => PreparedJob, { n = 1, echo = false, prompt }: GenerateOptions,
): AsyncGenerator<Piece, void, undefined> {
  const prepared = prepare();
  const job = prepared instanceof Promise ? await prepared : prepared;
  if (echo) yield* echoPieces(job, { prompt }, n);
  yield* n === 1 ? generatePieces(() => job) : generateChoices(() => job, n);
}
