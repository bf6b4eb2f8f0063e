/** Steps of an answer of LFM2-Audio: how they are chosen, what a list of them made, and how far a conversation goes on by them. */
import type { GraphRun } from '../../graph/executor.ts';
import { CODEBOOKS } from '../../models/lfm2-audio-config.ts';
import { codeName, TALK } from '../../models/lfm2-audio-graphs.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { uniformAt } from '../philox.ts';
import type { TalkEvent, TalkFlow } from './talk-flow.ts';
import { frameRun, partOfEvent, tokenRun } from './talk-runs.ts';
import type { TalkPart } from './talk-runs.ts';
import type { TalkMark, TalkSequence } from './talk-sequence.ts';
import type { Voice } from './voice.ts';

/** How a token, or each code of a frame, is chosen. */
export interface TalkSampling {
  /** 0: the likeliest. */
  readonly temperature: number;
  /** Of so many likeliest ones; 0: of all. */
  readonly topK: number;
}

export interface AnswerOptions {
  readonly flow: TalkFlow;
  readonly text: TalkSampling;
  readonly audio: TalkSampling;
  readonly seed: number;
  /** Most tokens and frames together. */
  readonly mostSteps: number;
  /** What speaks the answer's frames, if it is to be heard. */
  readonly voice?: Voice | undefined;
  readonly signal?: CancelSignal | undefined;
}

/** What one list of runs made of an answer. */
export interface AnswerStep {
  readonly events: readonly TalkEvent[];
  /** Of its frames, where there are any and a voice: what they and those before decide. */
  readonly samples?: Promise<Float32Array> | undefined;
}

export interface MadeSteps {
  readonly makes: TalkFlow['makes'];
  readonly events: readonly TalkEvent[];
  readonly marks: readonly TalkMark[];
}

/** Where a conversation is, and what its next step reads. */
export interface TalkState {
  readonly sequence: TalkSequence;
  /** What is not in the sequence yet, in order. */
  readonly pending: TalkPart[];
  /** Where the last answer's first step was made: what it was made of lies before it, and can be gone back to. */
  answerBegins: TalkMark | undefined;
  /** Whether the model ended the last answer. */
  isEnded: boolean;
}

/** Goes on by what was made, as far as the flow takes it. @returns what belongs to the answer */
export function takeSteps(state: TalkState, flow: TalkFlow, { makes, events, marks }: MadeSteps): TalkEvent[] {
  const taken: TalkEvent[] = [];
  state.isEnded = false;
  for (let i = 0; i < events.length && flow.makes === makes && !state.isEnded; i++) {
    const event = events[i]!;
    const { isEmitted, isOver } = flow.take(event);
    state.isEnded = isOver;
    state.sequence.goTo(marks[i]!);
    state.pending.splice(0, state.pending.length, ...(isEmitted ? [partOfEvent(event)] : []));
    if (isEmitted) taken.push(event);
  }
  return taken;
}

type Chances = Pick<AnswerOptions, 'text' | 'audio' | 'seed'>;

/** Numbers that choose step `index` and its codes: no two of an answer are the same. */
export function chooseRuns(makes: TalkFlow['makes'], index: number, { text, audio, seed }: Chances): GraphRun[] {
  const settings = ({ temperature, topK }: TalkSampling, k: number) => [temperature, topK, uniformAt(seed, index * (CODEBOOKS + 1) + k)];
  if (makes === 'text') return [tokenRun(settings(text, CODEBOOKS), [TALK.text.token])];
  return [frameRun(Array.from({ length: CODEBOOKS }, (_, k) => settings(audio, k)), { pages: [[0], []] })];
}

export function eventOf(makes: TalkFlow['makes'], result: ReadonlyMap<string, Float32Array>): TalkEvent {
  if (makes === 'text') return { token: result.get(TALK.text.token)![0]! };
  return { codes: Array.from({ length: CODEBOOKS }, (_, k) => result.get(codeName(k))![0]!) };
}

/** A part's first rows, and the rest. */
export function cutPart(part: TalkPart, rows: number, dim: number): { readonly first: TalkPart; readonly rest: TalkPart } {
  if ('tokens' in part) return { first: { tokens: part.tokens.slice(0, rows) }, rest: { tokens: part.tokens.slice(rows) } };
  if ('frames' in part) return { first: { frames: part.frames.slice(0, rows) }, rest: { frames: part.frames.slice(rows) } };
  if ('graph' in part.heard) throw new Error(`what was heard has ${part.rows} rows, more than ${rows}: it must be the host's`);
  const all = Float32Array.from(part.heard);
  return { first: { heard: all.subarray(0, rows * dim), rows }, rest: { heard: all.subarray(rows * dim), rows: part.rows - rows } };
}
