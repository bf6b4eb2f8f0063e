/**
 * Talking live, whatever hears and answers: a cascade of models (hearing, text, voice), or one model that does it all. The sound of who
 * talks comes in as it is said, and what is heard, answered and spoken comes out as events, both ways at a time.
 */
import type { TurnOptions } from '../../../audio/turn-taking.ts';
import type { Waveform } from '../../../audio/audio-stream.ts';
import type { JsonObject } from '../../../tensor/checkpoint.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { ToolCall, ToolCallPart } from '../../../text/answers/answer-parts.ts';
import type { ToolChoice } from '../../generation-api.ts';
import type { SoundPlayer } from './sound-player.ts';

/** What a talker has: other settings are refused by name. */
export interface TalkerAbilities {
  /** It takes sound; else texts alone. */
  readonly hears: boolean;
  /** It answers with speech. */
  readonly speaks: boolean;
  /** It calls tools. */
  readonly tools: boolean;
  /** It tells what it heard as text. */
  readonly transcripts: boolean;
  /** Of items that may be put into a conversation. */
  readonly roles: readonly TalkItem['role'][];
  /** It answers in text alone, where asked to. */
  readonly textAlone: boolean;
  /** Names that `voice` may have; none where they cannot be listed. */
  readonly voices: readonly string[];
  /** It takes `voice` and `speed`. */
  readonly voice: boolean;
  /** It takes `priority`. */
  readonly priority: boolean;
  /** Sampling options of the text that it takes. */
  readonly sampling: readonly ('temperature' | 'topK' | 'topP' | 'minP')[];
}

export interface TalkerInfo {
  /** Of its model, or of the models of a cascade: `moonshine + ember + kokoro`. */
  readonly name: string;
  readonly kind: 'cascade' | 'model';
  /** Of the speech that it makes: Hz. */
  readonly sampleRate: number;
  readonly abilities: TalkerAbilities;
  readonly warnings: readonly string[];
}

/** How answers are made. */
export interface AnswerSettings {
  /** The system's message in place of the talker's own; "" leaves it out. */
  readonly system?: string | undefined;
  readonly voice?: string | undefined;
  /** Times as fast. */
  readonly speed?: number | undefined;
  /** False: answers are text alone. Default true. */
  readonly speaks?: boolean | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly minP?: number | undefined;
  /** Of what is drawn by chance. */
  readonly seed?: number | undefined;
  /** Most tokens of an answer; of a model that speaks by itself, tokens and frames of speech together. */
  readonly maxTokens?: number | undefined;
  /** JSON descriptions of functions, as `generate` takes them. */
  readonly tools?: readonly JsonObject[] | undefined;
  readonly toolChoice?: ToolChoice | undefined;
  /** As of a generation: of calls that wait the greater goes first. */
  readonly priority?: number | undefined;
}

export interface SessionSettings extends AnswerSettings {
  /**
   * Where a turn begins and ends: pauses, rolls, thresholds. Default: a pause of 600 ms ends a turn. `none`: nothing is a turn but what
   * {@link TalkSession.commit} ends, and nobody interrupts.
   */
  readonly turns?: TurnOptions | 'none' | undefined;
  /** False: a turn is answered when {@link TalkSession.respond} asks for it. Default true: when it is over. */
  readonly answersTurns?: boolean | undefined;
  /** False: an answer is spoken to its end, whoever speaks meanwhile. Default true. */
  readonly isInterruptible?: boolean | undefined;
  /**
   * False: what comes in while an answer sounds, and 200 ms behind it, is heard as silence, for microphones that hear the loudspeaker;
   * nobody interrupts then. Needs a player, whose clock says when an answer is over. Default true.
   */
  readonly listensWhileSpeaking?: boolean | undefined;
}

export interface SessionOptions extends SessionSettings {
  /** What was said before, oldest first. */
  readonly items?: readonly NewTalkItem[] | undefined;
  /**
   * Where answers are heard. With it an interruption stops the sound, and what was not heard leaves the history, by its clock. Without it
   * speech is events alone, and whoever plays them calls {@link TalkSession.truncate}.
   */
  readonly player?: SoundPlayer | undefined;
  /** Closes the session: its events end with the reason as an error. */
  readonly signal?: CancelSignal | undefined;
}

/** What is put into a conversation. */
export type NewTalkItem = { readonly id?: string | undefined } & (
  | { readonly role: 'user'; readonly text?: string | undefined; readonly sound?: Waveform | undefined }
  | { readonly role: 'system'; readonly text: string }
  | { readonly role: 'assistant'; readonly text?: string | undefined; readonly toolCalls?: readonly ToolCall[] | undefined }
  /** The result of a call. */
  | { readonly role: 'tool'; readonly callId: string; readonly text: string }
);

/** One message of a conversation, as the next answer sees it. */
export interface TalkItem {
  readonly id: string;
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  /** `in-progress`: it is being said or answered. `incomplete`: cut, to what was heard of it. */
  readonly status: 'in-progress' | 'completed' | 'incomplete';
  /** What was written, heard or answered; of a sound, "" where the talker tells no texts of sounds, or none yet. */
  readonly text: string;
  /** Of the sound that was heard or spoken, in ms; 0 for a text. */
  readonly audioMs: number;
  readonly toolCalls: readonly ToolCall[];
  /** Of a tool's result. */
  readonly callId: string | undefined;
}

export interface TalkSessionUsage {
  /** Of what the answer follows. */
  readonly inputTokens: number;
  /** Of them, those whose state was there. */
  readonly cachedTokens: number;
  /** Of the turn that is answered. */
  readonly heardMs: number;
  readonly textTokens: number;
  /** Of `inputTokens`, those of the turn's sound, where the model hears it itself. */
  readonly heardTokens: number;
  /** Of speech that was made. */
  readonly spokenMs: number;
}

/** `stop`, `length` and `context` as of a generation; `tool_calls`: results are waited for. */
export type AnswerEnd =
  | { readonly status: 'completed'; readonly reason: 'stop' | 'tool_calls' }
  | { readonly status: 'incomplete'; readonly reason: 'length' | 'context' }
  /** `interrupted`: somebody spoke. `cancelled`: {@link TalkSession.cancel}. */
  | { readonly status: 'cancelled'; readonly reason: 'interrupted' | 'cancelled' }
  | { readonly status: 'failed'; readonly reason: 'error'; readonly error: unknown };

/** Times are milliseconds of the sound that came since the session began, in its own clock: samples by their rate. */
export type TalkSessionEvent =
  /** Somebody speaks; the turn has what was said a little before it was noticed. An answer that was being given ends next. */
  | { readonly kind: 'speech-started'; readonly itemId: string; readonly startMs: number }
  /** They paused long enough. */
  | { readonly kind: 'speech-stopped'; readonly itemId: string; readonly endMs: number }
  /** With a player: it is silent for what may become an interruption; and it goes on, since it was none. */
  | { readonly kind: 'hushed'; readonly atMs: number }
  | { readonly kind: 'unhushed'; readonly atMs: number }
  /** A turn is over, by a pause or by {@link TalkSession.commit}. */
  | { readonly kind: 'committed'; readonly itemId: string; readonly startMs: number; readonly endMs: number }
  /** An item stands in the history; behind which. */
  | { readonly kind: 'item-added'; readonly item: TalkItem; readonly previousItemId: string | undefined }
  /** What a turn says so far, in place of the last such text; `final` once, for each turn. */
  | { readonly kind: 'input-text'; readonly itemId: string; readonly text: string; readonly isFinal: boolean }
  /** What was said could not be heard: the turn stays without text, and is not answered. */
  | { readonly kind: 'input-failed'; readonly itemId: string; readonly error: unknown }
  | { readonly kind: 'answer-started'; readonly answerId: string; readonly itemId: string }
  /** More of the answer's text; it is mostly ahead of the speech. */
  | { readonly kind: 'answer-text'; readonly answerId: string; readonly itemId: string; readonly text: string }
  /** More of its speech, of one channel at the talker's rate. */
  | { readonly kind: 'answer-audio'; readonly answerId: string; readonly itemId: string; readonly samples: Float32Array }
  | { readonly kind: 'tool-call'; readonly answerId: string; readonly itemId: string; readonly part: ToolCallPart }
  /** The answer is made, or stopped. With a player it may be heard for a while yet: `answer-played` says when that is over. */
  | ({ readonly kind: 'answer-done'; readonly answerId: string; readonly item: TalkItem; readonly usage: TalkSessionUsage } & AnswerEnd)
  /** With a player: it was heard to its end, or stopped. */
  | { readonly kind: 'answer-played'; readonly answerId: string; readonly itemId: string; readonly playedMs: number }
  /** What was not heard left the history: `text` is what stays. */
  | { readonly kind: 'truncated'; readonly itemId: string; readonly audioEndMs: number; readonly text: string }
  | { readonly kind: 'item-removed'; readonly itemId: string };

export interface RespondOptions {
  /**
   * What is answered in place of the conversation, oldest first: items of it, and new ones that it is not given. Default: the conversation
   * as it is.
   */
  readonly items?: readonly (NewTalkItem | { readonly itemId: string })[] | undefined;
  /** The answer is no item of the conversation: it can be neither cut nor removed, and nobody who speaks ends it. Default false. */
  readonly isApart?: boolean | undefined;
}

/** A conversation. Calls may be made at any time; what they bring about comes as events. */
export interface TalkSession {
  /** Has one reader. Ends when the session is closed; throws the reason of its signal. */
  events(): AsyncGenerator<TalkSessionEvent>;
  /** What the next answer follows, oldest first. */
  readonly history: readonly TalkItem[];
  /** The settings that hold. */
  readonly settings: SessionSettings;
  /** Whether an answer is being made or, with a player, heard. */
  readonly isAnswering: boolean;
  /** Whether a turn goes on, or (with turns `none`) sound is held that `commit` makes one. */
  readonly isHearing: boolean;
  /**
   * The next samples of one channel, of any rate, which may change. Resolves when they have been listened to, so that whoever awaits it
   * goes no faster than this machine.
   * @throws InputError for samples that are NaN or infinite, or a rate that is none: nothing of them is heard
   */
  hear(sound: Waveform): Promise<void>;
  /**
   * Ends the turn that goes on (with turns `none`: all that was heard since the last).
   * @returns its item. @throws InputError where there is none
   */
  commit(): Promise<string>;
  /** Forgets the sound of a turn that is not over. */
  clear(): Promise<void>;
  /**
   * Puts an item into the history: at its end, behind another, or in front of all (`root`).
   * @returns its id. @throws InputError for what the talker does not take
   */
  add(item: NewTalkItem, options?: { readonly after?: string | undefined }): string;
  /** @throws InputError for an item that is not there, or that is being answered */
  remove(itemId: string): void;
  /**
   * Answers what is there, as soon as it was heard; an answer that goes on is over first.
   * @param settings in place of the session's, for this answer
   * @param options what it answers, and whether the conversation goes on from it
   * @returns the answer's id. @throws InputError for settings that the talker does not have, and while another answer waits
   */
  respond(settings?: AnswerSettings, options?: RespondOptions): string;
  /**
   * Stops one answer, which goes on or waits: what was made of it stays, and its `answer-done` says `cancelled` (alone, where it had not
   * begun). One that is over, or that never was, is none of its concern. Without an id: the answer that goes on, and the one that waits to
   * be the conversation's next.
   */
  cancel(answerId?: string): void;
  /** Cuts an answer to what was heard of it. @throws InputError for another item, and a time that is none */
  truncate(itemId: string, audioEndMs: number): void;
  /** Sets some settings anew, from the next turn and answer on. @throws InputError */
  update(settings: SessionSettings): void;
  /** Resolves when no turn is open, waiting to be heard or answered, no answer is made, and the player is silent. */
  idle(): Promise<void>;
  /** Stops all and frees what it took. Idempotent. */
  close(): Promise<void>;
}

/** What is said to a talker: sound as it comes, or a text, which is a turn. */
export type TalkInput = Waveform | { readonly text: string };

export interface Talker {
  readonly info: TalkerInfo;
  /** @throws InputError for options that cannot be meant or that the talker does not have */
  open(options?: SessionOptions): TalkSession;
  /**
   * Both ways: what is said comes in, events go out. When nothing more comes in, what was said is answered, and the events end. Leaving
   * the loop ends all.
   * @throws as {@link Talker.open} and {@link TalkSession.hear}; what the input throws
   */
  talk(input: AsyncIterable<TalkInput>, options?: SessionOptions): AsyncGenerator<TalkSessionEvent>;
  /** Frees it; the models of a cascade are whose loaded them. Idempotent. */
  dispose(): Promise<void>;
}
