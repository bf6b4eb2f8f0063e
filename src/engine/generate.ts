/** The loop: prompt to state, logits to token, token to text, until something ends it. */
import type { OnProgress } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { answerRoom } from './answer-room.ts';
import type { AnswerRoom } from './answer-room.ts';
import type { ChosenLogprob, FinalPiece, FinishReason, Piece, Timings } from './api.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import { createBreather } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';
import type { Turn } from './run-queue.ts';
import { logprobsOf } from './sampler.ts';
import type { Sequence } from './sequence.ts';
import { createStopScanner } from './stop-scanner.ts';
import type { StopScanner } from './stop-scanner.ts';
import { createDeviceSource, createHostSource } from './token-source.ts';
import type { NextTokens, TokenSource } from './token-source.ts';

export interface GenerationJob {
  readonly core: ModelCore;
  /** Held by the caller, who ends it. */
  readonly turn: Turn;
  readonly queueMs: number;
  /** Its state is kept as far as it agrees with the prompt. The caller closes it. */
  readonly sequence: Sequence;
  readonly promptIds: readonly number[];
  /** How many of them the prompts of later turns begin with: their state is kept. Absent: no turn follows, and none is kept. */
  readonly lastingTokens?: number | undefined;
  /** The prompt ended inside a thinking block. */
  readonly thinkingOpened: boolean;
  /** Turns that the prompt lacks. */
  readonly droppedTurns: number;
  readonly settings: DecodingSettings;
  readonly tokenizer: Pick<Tokenizer, 'streamDecoder' | 'vocabSize'> | undefined;
  readonly endIds: ReadonlySet<number>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** The state of a running generation. */
interface Run {
  readonly job: GenerationJob;
  readonly stops: StopScanner;
  /** Prompt and answer. */
  readonly ids: number[];
  /** How many of them no stop text can take away any more. */
  settled: number;
  readonly toText: (token: number) => string;
  readonly flushText: () => string;
  readonly room: AnswerRoom;
}

function startRun(job: GenerationJob): Run {
  const { core, promptIds, settings, tokenizer } = job;
  const decoder = tokenizer?.streamDecoder({ skipSpecial: true });
  const textTokens = tokenizer?.vocabSize ?? 0;
  return {
    job,
    room: answerRoom(promptIds.length, { ...settings, context: core }),
    stops: createStopScanner(settings.stops),
    ids: [...promptIds],
    settled: promptIds.length,
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

/** What a token adds to the text, and whether the answer ends with it. */
type Taken = Pick<Sampled, 'text' | 'finish' | 'stopText'>;

function takeToken(run: Run, token: number): Taken {
  const { settings, endIds, promptIds } = run.job;
  const { heldLength } = run.stops;
  run.ids.push(token);
  if (!settings.ignoreEos && endIds.has(token)) {
    run.settled = run.ids.length;
    return { text: run.stops.push(run.flushText()).text + run.stops.flush(), finish: 'stop', stopText: undefined };
  }
  const { text, stop } = run.stops.push(run.toText(token));
  // What is held, or stops the answer, begins in this token where all that was held before it came out.
  if (text.length >= heldLength) run.settled = run.ids.length - (stop === undefined && run.stops.heldLength === 0 ? 0 : 1);
  if (stop !== undefined) return { text, finish: 'stop', stopText: stop };
  if (run.ids.length - promptIds.length < run.room.tokens) return { text, finish: undefined, stopText: undefined };
  run.settled = run.ids.length;
  const rest = run.stops.push(run.flushText());
  const tail = rest.stop === undefined ? rest.text + run.stops.flush() : rest.text;
  return { text: text + tail, finish: run.room.reason, stopText: undefined };
}

/** Takes tokens up to the one that ends the answer: an executor that samples ahead may have gone on past it. */
function takeTokens(run: Run, { tokens, logits }: NextTokens): Sampled {
  const { topLogprobs } = run.job.settings;
  let text = '';
  for (const [i, token] of tokens.entries()) {
    const taken = takeToken(run, token);
    text += taken.text;
    if (taken.finish === undefined && i < tokens.length - 1) continue;
    const logprobs = topLogprobs === undefined || logits === undefined ? undefined : [logprobsOf(logits, token, topLogprobs)];
    return { ...taken, text, tokens: tokens.slice(0, i + 1), logprobs };
  }
  throw new Error('generate: the source returned no token');
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
    thinkingOpened: run.job.thinkingOpened,
    logprobs: sampled.logprobs,
    finishReason: sampled.finish as FinishReason,
    stopText: sampled.stopText,
    droppedTurns: run.job.droppedTurns,
    usage: { promptTokens, cachedTokens, completionTokens: run.ids.length - promptTokens },
    timings: timingsOf(clock, run, cachedTokens),
    seed: run.job.settings.sampling.seed,
  };
}

/** Prompt tokens from one kept state to the next. */
const SNAPSHOT_TOKENS = 2048;

/** Lengths of the prompt whose state is kept: every 2,048 tokens of what lasts, and the end of that. */
function keptLengths({ core, lastingTokens = 0 }: GenerationJob): number[] {
  // Without slots one length is kept at a time.
  if (!core.state.hasSlots) return lastingTokens === 0 ? [] : [lastingTokens];
  const lengths = Array.from({ length: Math.floor(lastingTokens / SNAPSHOT_TOKENS) }, (_, i) => (i + 1) * SNAPSHOT_TOKENS);
  return lastingTokens === 0 || lengths.at(-1) === lastingTokens ? lengths : [...lengths, lastingTokens];
}

/** The executor samples where it can; log probabilities need the logits here. */
function openSource(run: Run): TokenSource {
  const { core, sequence, promptIds, settings, signal, onProgress } = run.job;
  const options = {
    core,
    sequence,
    ids: run.ids,
    promptTokens: promptIds.length,
    keepAt: keptLengths(run.job).filter((length) => length < promptIds.length),
    room: run.room.tokens,
    settled: () => run.settled,
    sampling: settings.sampling,
    signal,
    onProgress,
  };
  return core.canDecode && settings.topLogprobs === undefined ? createDeviceSource(options) : createHostSource(options);
}

/**
 * Runs one generation in its turn. The last token comes with the final piece.
 * Leaves the sequence with the state of everything that was computed.
 */
export async function* generatePieces(job: GenerationJob): AsyncGenerator<Piece, void, undefined> {
  const { turn, sequence, promptIds, lastingTokens, signal } = job;
  const run = startRun(job);
  const clock: Clock = { startedAt: performance.now(), prefillMs: 0, ttftMs: 0, decodeMs: 0 };
  // The last id always runs again: the logits after it are what the first token is sampled from. Without causality the state of every
  // token depends on all of the prompt.
  const cachedTokens = sequence.keepPrefix(job.core.causal ? promptIds.slice(0, -1) : []);
  const source = openSource(run);
  const stop = () => {
    source.release();
    if (lastingTokens !== undefined) sequence.rest(run.settled);
  };
  try {
    const first = await source.next();
    // Its end, or one from an earlier turn that this prompt still begins with.
    if (lastingTokens !== undefined) sequence.keep(lastingTokens);
    signal?.throwIfAborted();
    clock.prefillMs = performance.now() - clock.startedAt;
    const breathe = createBreather();
    let sampled = takeTokens(run, first);
    clock.ttftMs = performance.now() - clock.startedAt;
    while (sampled.finish === undefined) {
      turn.pause();
      yield { text: sampled.text, tokens: sampled.tokens, thinkingOpened: job.thinkingOpened, logprobs: sampled.logprobs };
      const pause = breathe();
      if (pause !== undefined) await pause;
      const wait = turn.resume(signal);
      if (wait !== undefined) {
        source.release();
        await wait;
      }
      const stepStartedAt = performance.now();
      const next = await source.next();
      signal?.throwIfAborted();
      sampled = takeTokens(run, next);
      clock.decodeMs += performance.now() - stepStartedAt;
    }
    stop();
    yield finalPiece(run, sampled, clock, cachedTokens);
  } finally {
    stop();
  }
}
