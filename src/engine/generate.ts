/** The loop: prompt to state, logits to token, token to text, until something ends it. */
import { CapacityError } from '../tensor/errors.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ChosenLogprob, FinalPiece, FinishReason, Piece, Timings } from './api.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import { createBreather } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';
import type { Turn } from './run-queue.ts';
import { createSampler, logprobsOf } from './sampler.ts';
import type { Sampler } from './sampler.ts';
import { advance } from './sequence.ts';
import type { Sequence } from './sequence.ts';
import { createStopScanner } from './stop-scanner.ts';
import type { StopScanner } from './stop-scanner.ts';

export interface GenerationJob {
  readonly core: ModelCore;
  /** Held by the caller, who ends it. */
  readonly turn: Turn;
  readonly queueMs: number;
  /** Its state is kept as far as it agrees with the prompt. The caller closes it. */
  readonly sequence: Sequence;
  readonly promptIds: readonly number[];
  readonly settings: DecodingSettings;
  readonly tokenizer: Pick<Tokenizer, 'streamDecoder' | 'vocabSize'> | undefined;
  readonly endIds: ReadonlySet<number>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** How many tokens may be generated. @throws CapacityError with the numbers where prompt and answer do not fit the context. */
export function answerRoom(promptTokens: number, maxTokens: number | undefined, contextLength: number): number {
  const room = contextLength - promptTokens;
  if (room >= (maxTokens ?? 1)) return maxTokens ?? room;
  const wanted = maxTokens === undefined ? 'leaves no room for an answer' : `and maxTokens ${maxTokens} together exceed it by ${-room + maxTokens}`;
  throw new CapacityError(
    `The context of ${contextLength} tokens is too short: the prompt of ${promptTokens} tokens ${wanted}. ` +
      'Shorten the prompt, ask for fewer tokens, or load the model with a larger contextLength.',
  );
}

/** The state of a running generation. */
interface Run {
  readonly job: GenerationJob;
  readonly sampler: Sampler;
  readonly stops: StopScanner;
  /** Prompt and answer. */
  readonly ids: number[];
  readonly toText: (token: number) => string;
  readonly flushText: () => string;
  readonly room: number;
}

function startRun(job: GenerationJob): Run {
  const { core, promptIds, settings, tokenizer } = job;
  const decoder = tokenizer?.streamDecoder({ skipSpecial: true });
  const textTokens = tokenizer?.vocabSize ?? 0;
  return {
    job,
    room: answerRoom(promptIds.length, settings.maxTokens, core.contextLength),
    sampler: createSampler({ settings: settings.sampling, promptIds, candidates: core.candidates }),
    stops: createStopScanner(settings.stops),
    ids: [...promptIds],
    // Models pad their vocabulary: ids past the tokenizer's last stand for nothing.
    toText: (token) => (decoder !== undefined && token < textTokens ? decoder.push(token) : ''),
    flushText: () => decoder?.flush() ?? '',
  };
}

interface Sampled {
  readonly tokens: readonly number[];
  readonly logprobs: readonly ChosenLogprob[] | undefined;
  readonly text: string;
  /** Why the answer ends with this token, if it does. */
  readonly finish: FinishReason | undefined;
  readonly stopText: string | undefined;
}

function sampleNext(run: Run, logits: Float32Array): Sampled {
  const { settings, endIds, promptIds } = run.job;
  const token = run.sampler.sample(logits, run.ids.length);
  const logprobs = settings.topLogprobs === undefined ? undefined : [logprobsOf(logits, token, settings.topLogprobs)];
  run.ids.push(token);
  const sampled = { tokens: [token], logprobs, stopText: undefined };
  if (!settings.ignoreEos && endIds.has(token)) return { ...sampled, text: run.stops.push(run.flushText()).text + run.stops.flush(), finish: 'stop' };
  const { text, stop } = run.stops.push(run.toText(token));
  if (stop !== undefined) return { ...sampled, text, finish: 'stop', stopText: stop };
  if (run.ids.length - promptIds.length < run.room) return { ...sampled, text, finish: undefined };
  const rest = run.stops.push(run.flushText());
  const tail = rest.stop === undefined ? rest.text + run.stops.flush() : rest.text;
  return { ...sampled, text: text + tail, finish: 'length' };
}

/** Milliseconds of the parts of a generation, the reader's time left out. */
interface Clock {
  readonly startedAt: number;
  prefillMs: number;
  ttftMs: number;
  decodeMs: number;
}

function timingsOf(clock: Clock, run: Run, cachedTokens: number): Timings {
  const prefilled = run.job.promptIds.length - cachedTokens;
  const decoded = run.ids.length - run.job.promptIds.length - 1;
  const rate = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0);
  return {
    ttftMs: clock.ttftMs,
    queueMs: run.job.queueMs,
    prefillMs: clock.prefillMs,
    prefillTokensPerSecond: rate(prefilled, clock.prefillMs),
    decodeMs: clock.decodeMs,
    decodeTokensPerSecond: rate(decoded, clock.decodeMs),
  };
}

function finalPiece(run: Run, sampled: Sampled, clock: Clock, cachedTokens: number): FinalPiece {
  const promptTokens = run.job.promptIds.length;
  return {
    text: sampled.text,
    tokens: sampled.tokens,
    logprobs: sampled.logprobs,
    finishReason: sampled.finish as FinishReason,
    stopText: sampled.stopText,
    usage: { promptTokens, cachedTokens, completionTokens: run.ids.length - promptTokens },
    timings: timingsOf(clock, run, cachedTokens),
    seed: run.job.settings.sampling.seed,
  };
}

/** Prefill: the part of the prompt whose state is not there yet, with progress. */
async function prefill(run: Run, cachedTokens: number): Promise<Float32Array> {
  const { core, sequence, promptIds, signal, onProgress } = run.job;
  const total = promptIds.length - cachedTokens;
  const onStep = (done: number) => onProgress?.({ phase: 'prefill', loaded: done - cachedTokens, total });
  return advance(core, sequence, run.ids, { signal, onStep });
}

/**
 * Runs one generation in its turn. The last token comes with the final piece.
 * Leaves the sequence with the state of everything that was computed.
 */
export async function* generatePieces(job: GenerationJob): AsyncGenerator<Piece, void, undefined> {
  const { core, turn, sequence, promptIds, signal } = job;
  const run = startRun(job);
  const clock: Clock = { startedAt: performance.now(), prefillMs: 0, ttftMs: 0, decodeMs: 0 };
  // The last id always runs again: the logits after it are what the first token is sampled from.
  const cachedTokens = sequence.keepPrefix(promptIds.slice(0, -1));
  let logits = await prefill(run, cachedTokens);
  signal?.throwIfAborted();
  clock.prefillMs = performance.now() - clock.startedAt;
  const breathe = createBreather();
  let sampled = sampleNext(run, logits);
  clock.ttftMs = performance.now() - clock.startedAt;
  while (sampled.finish === undefined) {
    turn.pause();
    yield { text: sampled.text, tokens: sampled.tokens, logprobs: sampled.logprobs };
    const pause = breathe();
    if (pause !== undefined) await pause;
    const wait = turn.resume(signal);
    if (wait !== undefined) await wait;
    const stepStartedAt = performance.now();
    logits = await advance(core, sequence, run.ids, { signal });
    sampled = sampleNext(run, logits);
    clock.decodeMs += performance.now() - stepStartedAt;
  }
  yield finalPiece(run, sampled, clock, cachedTokens);
}
