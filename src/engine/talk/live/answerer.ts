/** What a session of live talk stands on: how turns are heard and answered, by whatever models. */
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { ToolCall, ToolCallPart } from '../../../text/answers/answer-parts.ts';
import type { FinishReason } from '../../generation-api.ts';
import type { SoundPart } from '../../speech/sound-turns.ts';
import type { ComingSound } from '../hear-sound.ts';
import type { AnswerSettings, SessionSettings, TalkerInfo, TalkItem, TalkSessionUsage } from './talker.ts';
import type { TurnPart } from './turn-sound.ts';

/** An item of a session, as it becomes. */
export interface ItemRecord {
  readonly id: string;
  readonly role: TalkItem['role'];
  status: TalkItem['status'];
  text: string;
  audioMs: number;
  toolCalls: readonly ToolCall[];
  readonly callId: string | undefined;
  /** Of what somebody said, at 16 kHz. */
  sound: readonly TurnPart[];
  /** Of an answer: how much of its text is heard with so many samples of its speech. */
  marks: HeardMark[];
  /** Of an answer: samples of speech that were made. */
  samples: number;
}

/** When so many samples of an answer's speech were heard, its text up to `textEnd` was. */
export interface HeardMark {
  readonly samples: number;
  readonly textEnd: number;
}

export type AnswerPiece =
  | { readonly kind: 'text'; readonly text: string }
  /** `marks` count from the answer's first sample. */
  | { readonly kind: 'audio'; readonly samples: Float32Array; readonly marks: readonly HeardMark[] }
  | { readonly kind: 'tool-call'; readonly part: ToolCallPart }
  | { readonly kind: 'end'; readonly reason: FinishReason; readonly usage: AnswerUsage };

export type AnswerUsage = Pick<TalkSessionUsage, 'inputTokens' | 'cachedTokens' | 'textTokens' | 'heardTokens'>;

export interface AnswerRequest {
  /** The conversation before the answer, oldest first. */
  readonly items: readonly ItemRecord[];
  readonly settings: AnswerSettings;
  /** The answer, as it becomes. */
  readonly record: ItemRecord;
  /** The items are not the conversation, or the answer is no item of it: what comes next does not go on from its state. */
  readonly isApart: boolean;
  readonly signal: CancelSignal;
}

export interface AnsweringSession {
  /** Leaving the loop, or an abort, ends the answer where it is. @throws InputError for what cannot be answered */
  answer(request: AnswerRequest): AsyncGenerator<AnswerPiece>;
  /**
   * Cuts an answer to what was heard of it: so many samples of its speech. Called while no answer is made.
   * @returns the text that stays. @throws InputError for an answer that cannot be cut any more
   */
  keepHeard(item: ItemRecord, samples: number): string;
  close(): void;
}

export interface Answerer {
  readonly info: TalkerInfo;
  /** The text of a turn, where the talker tells texts. Called for one at a time. */
  readonly recognise?: ((part: SoundPart, signal: CancelSignal) => Promise<string>) | undefined;
  /** Where the talker hears sounds itself: what takes one of 16 kHz as it comes. */
  readonly openSound?: (() => ComingSound) | undefined;
  /** The longest turn that is heard at once. */
  readonly mostTurnSeconds: number;
  /** @throws InputError for settings that cannot be meant, or that it does not have */
  check(settings: SessionSettings): void;
  open(settings: SessionSettings): AnsweringSession;
  /** Frees what it owns. */
  dispose(): Promise<void>;
}

/** What of an answer's text was heard with so many samples of its speech, by its marks. */
export function heardText({ text, marks }: Pick<ItemRecord, 'text' | 'marks'>, samples: number): string {
  const heard = marks.findLast((mark) => mark.samples <= samples);
  return text.slice(0, heard?.textEnd ?? 0).trimEnd();
}
