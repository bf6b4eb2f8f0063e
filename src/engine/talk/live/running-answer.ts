/** An answer while it is given: what is made of it goes out as events and to the player, and can be stopped at any time. */
import type { AnswerEnd, AnswerSettings, TalkSessionEvent, TalkSessionUsage } from './talker.ts';
import type { AnsweringSession, AnswerPiece, ItemRecord } from './answerer.ts';
import type { EventQueue } from './event-queue.ts';
import { newRecord, viewOf } from './session-history.ts';
import type { SoundPlayer } from './sound-player.ts';

export interface RunningAnswerParts {
  readonly answerId: string;
  readonly record: ItemRecord;
  readonly queue: EventQueue;
  readonly player: SoundPlayer | undefined;
  /** Of its speech. */
  readonly sampleRate: number;
  readonly answering: AnsweringSession;
  /** As of `AnswerRequest`. */
  readonly isApart: boolean;
  /** It is an item of the conversation, and can be cut. */
  readonly isKept: boolean;
}

/** Before anything was made. */
const NO_USAGE: TalkSessionUsage = { inputTokens: 0, cachedTokens: 0, heardMs: 0, heardTokens: 0, textTokens: 0, spokenMs: 0 };

/** How an answer ends that never began. @param itemId of nothing else */
export function neverBegun(answerId: string, itemId: string, end: AnswerEnd): TalkSessionEvent {
  return { kind: 'answer-done', answerId, item: viewOf(newRecord(itemId, 'assistant', { status: 'incomplete' })), usage: NO_USAGE, ...end };
}

export class RunningAnswer {
  readonly #parts: RunningAnswerParts;
  readonly #controller = new AbortController();
  #stopped: 'interrupted' | 'cancelled' | undefined;
  /** Samples that were heard when it was stopped. */
  #heard = 0;
  #usage = NO_USAGE;

  constructor(parts: RunningAnswerParts) {
    this.#parts = parts;
  }

  get answerId(): string {
    return this.#parts.answerId;
  }

  get record(): ItemRecord {
    return this.#parts.record;
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  get isKept(): boolean {
    return this.#parts.isKept;
  }

  /** Whether some of its speech was made, and it goes on. */
  get isSounding(): boolean {
    return !this.isStopped && this.record.samples > 0;
  }

  stop(why: 'interrupted' | 'cancelled'): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = why;
    const { player, record } = this.#parts;
    if (player !== undefined && record.samples > 0) {
      this.#heard = Math.min(record.samples, player.played);
      player.stop();
    }
    this.#controller.abort(new Error(`the answer was ${why}`));
  }

  /** Gives the answer to its end, with a player until it was heard. Does not throw: failures are events. */
  async run(items: readonly ItemRecord[], settings: AnswerSettings): Promise<void> {
    const { record, answerId, queue } = this.#parts;
    const heardMs = sinceLastAnswer(items).reduce((sum, { audioMs }) => sum + audioMs, 0);
    const end = await this.#give(items, settings);
    record.status = end.status === 'completed' ? 'completed' : 'incomplete';
    record.audioMs = (1000 * record.samples) / this.#parts.sampleRate;
    const usage = { ...this.#usage, heardMs, spokenMs: record.audioMs };
    queue.push({ kind: 'answer-done', answerId, item: viewOf(record), usage, ...end });
    await this.#playOut();
  }

  async #give(items: readonly ItemRecord[], settings: AnswerSettings): Promise<AnswerEnd> {
    const { signal } = this.#controller;
    const { isApart, record } = this.#parts;
    try {
      let end: AnswerEnd | undefined;
      for await (const piece of this.#parts.answering.answer({ items, settings, signal, record, isApart })) {
        signal.throwIfAborted();
        end = await this.#take(piece);
        signal.throwIfAborted();
      }
      return end ?? { status: 'failed', reason: 'error', error: new Error('the answer ended without its last piece') };
    } catch (error) {
      if (this.#stopped !== undefined) return { status: 'cancelled', reason: this.#stopped };
      return { status: 'failed', reason: 'error', error };
    }
  }

  async #take(piece: AnswerPiece): Promise<AnswerEnd | undefined> {
    const { record, answerId, queue } = this.#parts;
    const of = { answerId, itemId: record.id };
    if (piece.kind === 'text') {
      record.text += piece.text;
      queue.push({ kind: 'answer-text', ...of, text: piece.text });
    } else if (piece.kind === 'tool-call') {
      const { part } = piece;
      if (part.phase === 'end') record.toolCalls = [...record.toolCalls, { id: part.id, name: part.name, arguments: part.arguments }];
      queue.push({ kind: 'tool-call', ...of, part });
    } else if (piece.kind === 'audio') await this.#sound(piece);
    else {
      this.#usage = { ...this.#usage, ...piece.usage };
      return endOf(piece.reason);
    }
    return undefined;
  }

  async #sound({ samples, marks }: Extract<AnswerPiece, { kind: 'audio' }>): Promise<void> {
    const { record, answerId, queue, player, sampleRate } = this.#parts;
    if (record.samples === 0) player?.begin(sampleRate);
    record.samples += samples.length;
    record.marks.push(...marks);
    queue.push({ kind: 'answer-audio', answerId, itemId: record.id, samples });
    await (player === undefined ? queue.room() : player.play(samples));
  }

  /** With a player: waits until all was heard, or cuts the answer to what was. */
  async #playOut(): Promise<void> {
    const { record, answerId, queue, player, sampleRate, answering } = this.#parts;
    if (player === undefined || record.samples === 0) return;
    if (!this.isStopped) await player.finish();
    const heard = this.isStopped ? this.#heard : record.samples;
    const playedMs = (1000 * heard) / sampleRate;
    queue.push({ kind: 'answer-played', answerId, itemId: record.id, playedMs });
    if (!this.isKept || (heard >= record.samples && !this.isStopped)) return;
    record.text = answering.keepHeard(record, heard);
    record.samples = heard;
    record.audioMs = playedMs;
    record.status = 'incomplete';
    queue.push({ kind: 'truncated', itemId: record.id, audioEndMs: playedMs, text: record.text });
  }
}

function endOf(reason: Extract<AnswerPiece, { kind: 'end' }>['reason']): AnswerEnd {
  return reason === 'stop' || reason === 'tool_calls' ? { status: 'completed', reason } : { status: 'incomplete', reason };
}

/** What was said since the last answer. */
export function sinceLastAnswer(items: readonly ItemRecord[]): readonly ItemRecord[] {
  return items.slice(items.findLastIndex(({ role }) => role === 'assistant') + 1);
}
