/**
 * A conversation with LFM2-Audio: turns of text and sound in, text and speech out. What was read and said stays in the model's state, so
 * that a turn costs what is new of it.
 */
import type { CancelSignal } from '../../tensor/platform.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeNumber } from '../../tensor/option-names.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { createTalkFlow, isFrame } from './talk-flow.ts';
import type { TalkEvent, TalkMode } from './talk-flow.ts';
import { joinParts, partOfEvent, rowsOfPart } from './talk-runs.ts';
import { createTurnReader } from './talk-turns.ts';
import type { ReadTurns, TalkBefore, TalkTurn, TurnReader } from './talk-turns.ts';
import type { TalkEngine } from './talk-engine.ts';
import type { TalkSampling, TalkState } from './talk-steps.ts';
import { FRAMES_PER_SECOND, VOICE_RATE } from './frame-voice.ts';

export interface TalkUsage {
  /** Positions that were read: the turn's text, sound and marks, and what of the last answer was not in the state yet, or not any more. */
  readonly inputTokens: number;
  /** Of the turn's sound. */
  readonly heardSeconds: number;
  /** Of `inputTokens`, those of the turn's sound. */
  readonly heardTokens: number;
  readonly textTokens: number;
  /** Frames of speech, 80 ms each. */
  readonly frames: number;
  /** Positions of the conversation that were there before the turn. */
  readonly keptTokens: number;
}

export type TalkOutput =
  | { readonly kind: 'text'; readonly text: string }
  /** At 24 kHz, from -1 to 1 or a little beyond. */
  | { readonly kind: 'samples'; readonly samples: Float32Array }
  /** `stop`: the model ended its answer; `length`: it has as many tokens and frames as were asked for. */
  | { readonly kind: 'end'; readonly reason: 'stop' | 'length'; readonly usage: TalkUsage };

export interface TalkSettings {
  readonly system: string;
  readonly mode: TalkMode;
  readonly text: TalkSampling;
  readonly audio: TalkSampling;
  readonly seed: number;
  /** In order; the first is the user's. */
  readonly before: readonly TalkBefore[];
}

export interface SayOptions {
  /** Most text tokens and frames of the answer together. Default: as many as fit. */
  readonly maxTokens?: number | undefined;
  readonly signal?: CancelSignal | undefined;
}

export interface TalkParts {
  readonly engine: TalkEngine;
  readonly tokenizer: Tokenizer;
  readonly mostSeconds: number;
  readonly settings: TalkSettings;
}

/** Samples of a frame of speech. */
const FRAME_SAMPLES = VOICE_RATE / FRAMES_PER_SECOND;

export class Talk {
  readonly #parts: TalkParts;
  readonly #reader: TurnReader;
  readonly #state: TalkState;
  /** Of the last answer, in order. */
  #said: TalkEvent[] = [];
  #answers = 0;
  #isSaying = false;
  #isClosed = false;

  constructor(parts: TalkParts) {
    this.#parts = parts;
    this.#reader = createTurnReader(parts);
    this.#state = { sequence: parts.engine.open(), pending: [], answerBegins: undefined, isEnded: false };
  }

  /** Positions that the conversation takes. */
  get length(): number {
    return this.#state.sequence.length;
  }

  /** Of the last answer, in order, as far as it came or was heard. */
  get said(): readonly TalkEvent[] {
    return this.#said;
  }

  /**
   * Says something to the model, and gives its answer as it comes. Leaving the loop, or an abort, ends the answer where it is: what was
   * given stays in the conversation.
   * @throws InputError for a turn of nothing, a sound that is none, and while another answer comes; CapacityError where the context is full
   */
  async *say(turn: TalkTurn, { maxTokens = Infinity, signal }: SayOptions = {}): AsyncGenerator<TalkOutput> {
    if (this.#isClosed) throw new InputError('The conversation is closed: open another.');
    if (this.#isSaying) throw new InputError('The conversation is being answered: await that answer, or leave it, before the next turn.');
    this.#isSaying = true;
    try {
      yield* this.#answer(turn, maxTokens, signal);
    } finally {
      this.#isSaying = false;
    }
  }

  async *#answer(turn: TalkTurn, maxTokens: number, signal: CancelSignal | undefined): AsyncGenerator<TalkOutput> {
    const { engine, settings, tokenizer } = this.#parts;
    const { parts, heardSeconds, heardTokens, positions } = await this.#partsOf(turn, signal);
    const keptTokens = this.length;
    const inputTokens = this.#state.pending.reduce((sum, part) => sum + rowsOfPart(part), positions);
    const flow = createTalkFlow(settings.mode, engine.endOfAudio);
    const { text, audio, seed } = settings;
    // Before anything of the conversation changes: a turn that does not fit leaves it as it is.
    const mostSteps = Math.min(maxTokens, engine.stepsThatFit(this.#state, { positions }));
    const decoder = tokenizer.streamDecoder({ skipSpecial: true, atStart: true });
    const voice = engine.openVoice();
    const counts = { textTokens: 0, frames: 0 };
    this.#said = [];
    // Answers of one conversation are drawn by other numbers each.
    const options = { flow, text, audio, seed: seed + this.#answers++, mostSteps, voice, signal };
    try {
      for await (const { events, samples: spoken } of engine.answer(this.#state, parts, options)) {
        this.#said.push(...events);
        const words = events.map((event) => ('token' in event ? decoder.push(event.token) : '')).join('');
        if (words !== '') yield { kind: 'text', text: words };
        counts.textTokens += events.filter((event) => 'token' in event).length;
        counts.frames += events.filter((event) => isFrame(event, engine.endOfAudio)).length;
        const samples = await spoken;
        if (samples !== undefined && samples.length > 0) yield { kind: 'samples', samples };
      }
      const words = decoder.flush();
      if (words !== '') yield { kind: 'text', text: words };
      const rest = voice.end();
      if (rest.length > 0) yield { kind: 'samples', samples: rest };
      const usage = { ...counts, inputTokens, heardSeconds, heardTokens, keptTokens };
      yield { kind: 'end', reason: this.#state.isEnded ? 'stop' : 'length', usage };
    } finally {
      voice.close();
    }
  }

  /** A turn as the model reads it, with what comes before it: the system's message and what was said, or the end of the answer before. */
  async #partsOf(turn: TalkTurn, signal?: CancelSignal): Promise<ReadTurns> {
    const { settings: { system, mode, before } } = this.#parts;
    if (this.#answers > 0) return this.#reader.turn(this.#reader.closing(this.#state.isEnded && mode.kind === 'sequential'), turn, signal);
    return this.#reader.turn([...this.#reader.opening(system), ...(await this.#reader.before(before, signal))], turn, signal);
  }

  /**
   * Cuts the last answer to what was heard of it: so many samples of its speech, and the text before them. What comes next then follows
   * that. While the answer still comes it must be left first.
   * @returns the answer's text that stays
   * @throws InputError for what is no count of samples, and while the answer comes
   */
  keepHeard(samples: number): string {
    if (this.#isSaying) throw new InputError('The answer still comes: leave it before it is cut.');
    if (!(samples >= 0)) throw new InputError(`samples must be a number of at least 0, found ${describeNumber(samples)}.`);
    const { answerBegins, pending, sequence } = this.#state;
    if (answerBegins === undefined || this.#said.length === 0) return '';
    const { said, text } = cutToHeard(this.#said, samples, this.#parts);
    if (said.length === this.#said.length) return text;
    this.#said = [...said];
    sequence.goTo(answerBegins);
    pending.splice(0, pending.length, ...joinParts(said.map(partOfEvent)));
    this.#state.isEnded = false;
    return text;
  }

  /** Frees what the conversation took. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#state.sequence.close();
  }
}

export interface HeardAnswer {
  /** As {@link Talk.said}. */
  readonly said: readonly TalkEvent[];
  readonly text: string;
}

/** What of an answer was heard with so many samples of its speech: those frames, and the text before the next one. */
export function cutToHeard(
  said: readonly TalkEvent[], samples: number, { engine: { endOfAudio }, tokenizer }: Pick<TalkParts, 'engine' | 'tokenizer'>,
): HeardAnswer {
  let frames = Math.ceil(samples / FRAME_SAMPLES);
  const end = said.findIndex((event) => isFrame(event, endOfAudio) && frames-- <= 0);
  const heard = end < 0 ? said : said.slice(0, end);
  const decoder = tokenizer.streamDecoder({ skipSpecial: true, atStart: true });
  return { said: heard, text: heard.map((event) => ('token' in event ? decoder.push(event.token) : '')).join('') + decoder.flush() };
}
