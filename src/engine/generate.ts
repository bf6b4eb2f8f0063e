/** A generation: it subscribes to a sequence, asks for token after token, and makes text of them until something ends it. */
import { choosesLikeliest } from '../graph/sampling.ts';
import type { Picture } from '../models/vision.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { answerRoom } from './answer-room.ts';
import type { AnswerRoom } from './answer-room.ts';
import type { ChosenLogprob, FinalPiece, FinishReason, Piece, Timings } from './api.ts';
import { describeBreak } from './cache-break.ts';
import type { PromptSource } from './cache-break.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import type { ModelCore } from './model-core.ts';
import { createAnswerText } from './answer-text.ts';
import type { AnswerFormat, AnswerText, NewText } from './answer-text.ts';
import { placePictures } from './pictures.ts';
import type { PlacedPicture } from './pictures.ts';
import { answerFormat, answerOpening, openThoughtEnd } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import { rowConstraint, untilFollowed } from './row-constraint.ts';
import type { ConstrainedJob } from './row-constraint.ts';
import { thoughtBudgetOf } from './thought-budget.ts';
import type { ThoughtBudget } from './thought-budget.ts';
import { createSampler, logprobsOf } from './sampler.ts';
import type { Advance, RowConstraint, Subscription } from './subscription.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

export interface GenerationJob {
  readonly core: ModelCore;
  readonly text: TextSide;
  /** Those below 0 are of {@link GenerationJob.pictures}. */
  readonly promptIds: readonly number[];
  /** By the ids that stand for them, as `promptPictures` gives them. Default: none. */
  readonly pictures?: ReadonlyMap<number, Picture> | undefined;
  /** How many of them the prompts of later turns begin with: their state is kept. Absent: no turn follows, and none is kept. */
  readonly lastingTokens?: number | undefined;
  /** How many of them other prompts are likely to begin with too. Absent: nobody knows. */
  readonly sharedLengths?: readonly number[] | undefined;
  /** Turns that contextPolicy `slide` left out of the prompt; default 0. */
  readonly droppedTurns?: number | undefined;
  readonly settings: DecodingSettings;
  /** What the prompt was rendered from. Absent: it is no conversation. */
  readonly source?: PromptSource | undefined;
  /** How the answer is read. Default: by the model's own dialect, without tools. */
  readonly answerFormat?: AnswerFormat | undefined;
  /** Which tokens may follow the answer so far, as `Sampler.sample` has it; called for each token. Default any. */
  readonly maskAfter?: ((answer: readonly number[]) => Uint32Array) | undefined;
  /** Most tokens of the answer's thought, which is ended then. Absent: as many as the model wants. */
  readonly thoughtTokens?: number | undefined;
  /** Kept open for later turns; its state is kept as far as it agrees with the prompt. Absent: one of its own, freed at the end. */
  readonly sequence?: Sequence | undefined;
  /** Of one of its own: shares nothing with others. Default false. */
  readonly isPrivate?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Waited for where images are decoded first. */
export type PreparedJob = GenerationJob | Promise<GenerationJob>;

/** The state of a running generation. */
interface Run {
  readonly job: GenerationJob;
  readonly sequence: Sequence;
  readonly clock: Clock;
  /** Tokens of the prompt whose state was there. */
  cachedTokens: number;
  /** Where the prompt parted from other tokens whose state was there. */
  parting: number | undefined;
  readonly answer: AnswerText;
  readonly thought: ThoughtBudget | undefined;
  readonly pictures: readonly PlacedPicture[] | undefined;
  /** Prompt and answer. */
  readonly ids: number[];
  /** Lengths of the prompt at which steps end, since the state there is kept. */
  keepAt: readonly number[];
  /** How many of them no stop text can take away any more. */
  settled: number;
  readonly room: AnswerRoom;
}

/** Nine letters and digits, as some chat templates want them, the same for the same answer. */
function callId(numbers: readonly number[]): string {
  let [low, high] = [0x9e3779b9, 0x85ebca6b];
  for (const number of numbers.flatMap((each) => [each >>> 0, Math.floor(each / 2 ** 32)])) {
    low = Math.imul(low ^ number, 0x01000193) + high;
    high = Math.imul(high ^ (low >>> 13), 0xc2b2ae35) + number;
  }
  const digits = (word: number) => (word >>> 0).toString(36).padStart(7, '0');
  return (digits(high) + digits(low)).slice(2, 11);
}

function startRun(job: GenerationJob): Run {
  const { core, promptIds, settings, text, answerFormat: format = answerFormat({}, text) } = job;
  const opening = answerOpening(promptIds, format, text);
  return {
    job,
    sequence: job.sequence ?? openSequence(core, { isPrivate: job.isPrivate }),
    clock: { calledAt: performance.now(), startedAt: 0, prefillMs: 0, ttftMs: 0, decodeMs: 0 },
    cachedTokens: 0,
    parting: undefined,
    pictures: job.pictures && core.pictures && placePictures(core.pictures, promptIds, job.pictures),
    room: answerRoom(promptIds.length, { ...settings, context: core }),
    answer: createAnswerText({
      tokenizer: text.tokenizer,
      format,
      stops: settings.stops,
      isExact: settings.grammar !== undefined,
      promptTail: opening,
      callId: (index) => callId([settings.sampling.seed, promptIds.length, index]),
    }),
    thought: thoughtBudgetOf(job, format, opening),
    ids: [...promptIds],
    keepAt: [],
    settled: promptIds.length,
  };
}

interface Sampled {
  readonly tokens: readonly number[];
  readonly logprobs: readonly ChosenLogprob[] | undefined;
  readonly text: string;
  /** Why the answer ends with this token, if it does. */
  readonly finish: FinishReason | undefined;
  readonly stopText: string | undefined;
  /** The last tokens were not chosen: they end a thought, and what follows them is asked for anew. */
  readonly isCut: boolean;
}

/** What a token adds to the text, and whether the answer ends with it. */
type Taken = Pick<Sampled, 'text' | 'finish' | 'stopText'>;

/** @param isChosen false for tokens that end a thought, among which a family's end token may be */
function takeToken(run: Run, token: number, isChosen = true): Taken {
  const { settings, promptIds, text: { endIds } } = run.job;
  const { answer } = run;
  const { heldLength } = answer;
  run.ids.push(token);
  if (isChosen && !settings.ignoreEos && endIds.has(token)) {
    run.settled = run.ids.length;
    return { text: answer.pushEnd(token).text, finish: 'stop', stopText: undefined };
  }
  const { text, stop }: NewText = answer.push(token);
  // What is held, or stops the answer, begins in this token where all that was held before it came out.
  if (text.length >= heldLength) run.settled = run.ids.length - (stop === undefined && answer.heldLength === 0 ? 0 : 1);
  if (stop !== undefined) return { text, finish: 'stop', stopText: stop };
  if (run.ids.length - promptIds.length < run.room.tokens) return { text, finish: undefined, stopText: undefined };
  run.settled = run.ids.length;
  return { text: text + answer.end().text, finish: run.room.reason, stopText: undefined };
}

/** Tokens that follow `ids`, at least one, and the log probabilities of the first where they were asked for. */
interface NextTokens {
  readonly tokens: readonly number[];
  readonly logprobs: readonly ChosenLogprob[] | undefined;
}

/** Takes tokens up to the one that ends the answer: an executor that samples ahead may have gone on past it. */
function takeTokens(run: Run, { tokens, logprobs }: NextTokens): Sampled {
  let text = '';
  for (const [i, token] of tokens.entries()) {
    const taken = takeToken(run, token);
    text += taken.text;
    const ending = taken.finish === undefined ? (run.thought?.take(token) ?? []) : [];
    if (ending.length > 0) return cutThought(run, ending, { text, tokens: tokens.slice(0, i + 1), logprobs: logprobs?.slice(0, i + 1) });
    if (taken.finish === undefined && i < tokens.length - 1) continue;
    return { ...taken, text, tokens: tokens.slice(0, i + 1), logprobs, isCut: false };
  }
  throw new Error('generate: no token came');
}

/** Nobody has chosen them, so that they have no probability. */
const UNCHOSEN = { logprob: Number.NaN, top: [] } as const;

/** The thought has had its tokens: those that end it join the answer. */
function cutThought(run: Run, ending: readonly number[], before: Pick<Sampled, 'text' | 'tokens' | 'logprobs'>): Sampled {
  let { text } = before;
  const taken: number[] = [];
  for (const token of ending) {
    const { text: more, ...end } = takeToken(run, token, false);
    text += more;
    taken.push(token);
    if (end.finish === undefined && taken.length < ending.length) continue;
    const logprobs = before.logprobs && [...before.logprobs, ...taken.map((each) => ({ token: each, ...UNCHOSEN }))];
    return { ...end, text, tokens: [...before.tokens, ...taken], logprobs, isCut: end.finish === undefined };
  }
  throw new Error('generate: nothing ends a thought');
}

/** Milliseconds of the parts of a generation, the reader's time left out. */
interface Clock {
  readonly calledAt: number;
  /** When the first step began. */
  startedAt: number;
  prefillMs: number;
  ttftMs: number;
  decodeMs: number;
}

function timingsOf(run: Run): Timings {
  const { clock, cachedTokens } = run;
  const prefilled = run.job.promptIds.length - cachedTokens;
  const decoded = run.ids.length - run.job.promptIds.length - 1;
  const rate = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0);
  return {
    ttftMs: clock.ttftMs,
    queueMs: clock.startedAt - clock.calledAt,
    prefillMs: clock.prefillMs,
    prefillTokensPerSecond: rate(prefilled, clock.prefillMs),
    decodeMs: clock.decodeMs,
    decodeTokensPerSecond: rate(decoded, clock.decodeMs),
  };
}

function finalPiece(run: Run, sampled: Sampled): FinalPiece {
  const { answer } = run;
  answer.close();
  const promptTokens = run.job.promptIds.length;
  return {
    text: sampled.text,
    tokens: sampled.tokens,
    parts: answer.takeParts(),
    index: 0,
    logprobs: sampled.logprobs,
    finishReason: sampled.finish === 'stop' && answer.wholeCalls > 0 ? 'tool_calls' : (sampled.finish as FinishReason),
    stopText: sampled.stopText,
    incompleteCalls: answer.incompleteCalls,
    droppedTurns: run.job.droppedTurns ?? 0,
    usage: {
      promptTokens,
      cachedTokens: run.cachedTokens,
      cacheBreak: run.parting === undefined ? undefined : describeBreak(run.job.promptIds, run.parting, run.job.source, run.job.text),
      completionTokens: run.ids.length - promptTokens,
    },
    timings: timingsOf(run),
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

/** Its first step begins. */
function begin(run: Run): void {
  const { core, promptIds, sharedLengths = [], onProgress } = run.job;
  run.clock.startedAt = performance.now();
  // The last id always runs again: the logits after it are what the first token is sampled from. Without causality the state of every
  // token depends on all of the prompt.
  const prefix = core.causal ? promptIds.slice(0, -1) : [];
  run.parting = run.sequence.parting(promptIds);
  run.cachedTokens = run.sequence.keepPrefix(prefix);
  const lengths = new Set([...keptLengths(run.job), ...run.sequence.offer(prefix, sharedLengths)]);
  run.keepAt = [...lengths].filter((length) => length < promptIds.length).sort((a, b) => a - b);
  onProgress?.({ phase: 'prefill', loaded: 0, total: promptIds.length - run.cachedTokens, cached: run.cachedTokens });
}

/** Goes on behind tokens that were not chosen: what the program has chosen meanwhile is dropped. */
function goOn(run: Run, subscription: Subscription): Subscription {
  const { core, settings: { terms } } = run.job;
  subscription.leave();
  run.sequence.keepPrefix(core.causal ? run.ids.slice(0, -1) : []);
  const passedMs = performance.now() - run.clock.calledAt;
  const deadlineMs = terms.deadlineMs === undefined ? undefined : Math.max(0, terms.deadlineMs - passedMs);
  return core.scheduler.subscribe({ sequence: run.sequence, hasBegun: true, ...terms, deadlineMs });
}

/** What rules which tokens may follow in its answer. */
function constrainedJob({ job }: Run): ConstrainedJob {
  const { promptIds, settings: { grammar }, text, answerFormat: format = answerFormat({}, text) } = job;
  return { ...job, thoughtEnd: grammar && openThoughtEnd(promptIds, format, text) };
}

/** Whether the program chooses the tokens, if it chooses any. */
function isChosenThere({ core, settings: { topLogprobs, sampling } }: GenerationJob, constraint: RowConstraint | undefined): boolean {
  if (topLogprobs !== undefined) return false;
  return !core.choosesLikeliestOnly || (constraint === undefined && choosesLikeliest(sampling));
}

/** What is asked for each further token. The executor chooses it where it can; log probabilities need the logits here. */
function advanceOf(run: Run): Advance<NextTokens> {
  const { core, promptIds, settings, text, signal, onProgress } = run.job;
  const { sampling, topLogprobs } = settings;
  const promptTokens = promptIds.length;
  const answered = run.ids.slice(promptTokens);
  const constraint = rowConstraint(constrainedJob(run), answered);
  // Penalties know no pictures.
  const readIds = run.pictures === undefined ? promptIds : promptIds.filter((id) => id >= 0);
  const sampler = createSampler({ settings: sampling, promptIds: readIds, candidates: core.candidates });
  for (const token of answered) sampler.count(token);
  return {
    ids: run.ids,
    promptTokens,
    pictures: run.pictures,
    get keepAt() {
      return run.keepAt;
    },
    settled: () => run.settled,
    signal,
    onStep(done) {
      if (run.ids.length > promptTokens) return;
      const cached = run.cachedTokens;
      onProgress?.({ phase: 'prefill', loaded: done - cached, total: promptTokens - cached, cached });
    },
    prepare: constraint && (() => void constraint.mask()),
    take(logits) {
      const token = sampler.sample(logits, constraint?.mask());
      const following = constraint?.accept(token) ?? [];
      for (const each of following) sampler.count(each);
      const logprobs = topLogprobs === undefined ? undefined : [logprobsOf(logits, token, topLogprobs)];
      return { tokens: [token, ...following], logprobs };
    },
    choose: !isChosenThere(run.job, constraint) ? undefined : {
      constraint,
      request: () => ({
        sampling,
        history: { promptIds: readIds, outputIds: run.ids.slice(promptTokens) },
        endIds: settings.ignoreEos ? [] : [...text.endIds],
        grammar: constraint?.grammar?.(),
        limit: run.room.tokens - (run.ids.length - promptTokens),
      }),
      take(tokens) {
        for (const token of tokens) sampler.count(token);
        return { tokens, logprobs: undefined };
      },
    },
  };
}

async function firstTokens(run: Run, subscription: Subscription, advance: Advance<NextTokens>): Promise<Sampled> {
  const { lastingTokens, signal } = run.job;
  const { clock, sequence } = run;
  const first = await subscription.advance(advance);
  // Its end, or one from an earlier turn that this prompt still begins with.
  if (lastingTokens !== undefined) sequence.keep(lastingTokens);
  signal?.throwIfAborted();
  clock.prefillMs = performance.now() - clock.startedAt;
  const sampled = takeTokens(run, first);
  clock.ttftMs = performance.now() - clock.startedAt;
  return sampled;
}

/**
 * Runs one generation, from what `prepare` gives when it is first asked for a piece. The last token comes with the final piece.
 * A sequence that is kept open is left with the state of everything that was computed.
 */
export async function* generatePieces(prepare: () => PreparedJob): AsyncGenerator<Piece, void, undefined> {
  const prepared = prepare();
  const job = prepared instanceof Promise ? await prepared : prepared;
  const run = startRun(job);
  const { clock, sequence } = run;
  let subscription = job.core.scheduler.subscribe({ sequence, onBegin: () => begin(run), ...job.settings.terms });
  let isOver = false;
  const end = () => {
    if (isOver) return;
    isOver = true;
    subscription.leave();
    if (job.sequence === undefined) sequence.close();
    else if (job.lastingTokens !== undefined) sequence.rest(run.settled);
  };
  try {
    await untilFollowed(constrainedJob(run), job.signal);
    let advance = advanceOf(run);
    let sampled = await firstTokens(run, subscription, advance);
    while (sampled.finish === undefined) {
      yield { text: sampled.text, tokens: sampled.tokens, parts: run.answer.takeParts(), index: 0, logprobs: sampled.logprobs };
      const askedAt = performance.now();
      if (sampled.isCut) {
        subscription = goOn(run, subscription);
        advance = advanceOf(run);
      }
      const next = await subscription.advance(advance);
      job.signal?.throwIfAborted();
      sampled = takeTokens(run, next);
      clock.decodeMs += performance.now() - askedAt;
    }
    // The work is done: a reader that keeps the last piece keeps nobody waiting.
    end();
    yield finalPiece(run, sampled);
  } finally {
    end();
  }
}
