/** The answers of a session that were asked for, by a caller or by a turn, one after another. */
import { InputError } from '../../../tensor/errors.ts';
import { createTurns } from '../../speech/in-turn.ts';
import type { InTurn } from '../../speech/in-turn.ts';
import type { AnsweringSession, ItemRecord } from './answerer.ts';
import type { EventQueue } from './event-queue.ts';
import { neverBegun, RunningAnswer } from './running-answer.ts';
import type { RunningAnswerParts } from './running-answer.ts';
import { newRecord } from './session-history.ts';
import type { SessionItems } from './session-items.ts';
import type { SoundPlayer } from './sound-player.ts';
import type { AnswerEnd, AnswerSettings, RespondOptions, SessionSettings } from './talker.ts';

export interface AnswerHost {
  readonly answering: AnsweringSession;
  readonly player: SoundPlayer | undefined;
  /** Of speech: Hz. */
  readonly sampleRate: number;
  readonly queue: EventQueue;
  readonly items: SessionItems;
  settings(): SessionSettings;
  /** Whether somebody speaks. */
  isHearing(): boolean;
  /** Resolves when an item's text is there. */
  heard(record: ItemRecord): Promise<void>;
  /** An answer is over. */
  onOver(): void;
}

/** An answer that was asked for. */
interface WantedAnswer {
  readonly answerId: string;
  readonly settings: AnswerSettings;
  /** Whether a caller asked for it; else a turn did, and one that goes on meanwhile is waited for. */
  readonly isAsked: boolean;
}

/** An answer that begins: to which items; `isApart` and `isKept` are those of its {@link RunningAnswer}. */
type AnswerPlan = Pick<WantedAnswer, 'answerId' | 'settings'> & Pick<RunningAnswerParts, 'isApart' | 'isKept'> & {
  readonly items: readonly ItemRecord[];
};

export class AnswerQueue {
  readonly #host: AnswerHost;
  /** Answers, and what cuts them, one after another. */
  readonly inOrder: InTurn = createTurns();
  #wanted: WantedAnswer | undefined;
  /** Answers to other items than the conversation's next, or that are none of it, that have not begun. */
  readonly #queued = new Set<string>();
  #running: RunningAnswer | undefined;
  #count = 0;
  /** Whether something was said since the last answer began. */
  #hasUnanswered = false;
  #isClosed = false;

  constructor(host: AnswerHost) {
    this.#host = host;
  }

  /** The one that is being given. */
  get running(): RunningAnswer | undefined {
    return this.#running;
  }

  /** Something was said that is to be answered. */
  said(): void {
    this.#hasUnanswered = true;
  }

  /** Answers what was said, where nothing waits already. */
  askForTurn(): void {
    if (this.#hasUnanswered && this.#wanted === undefined) this.#want({}, false);
  }

  /** @throws InputError where an answer waits already */
  ask(settings: AnswerSettings): string {
    if (this.#wanted?.isAsked === true) throw new InputError('An answer waits already: it begins when the one before is over.');
    return this.#want(settings, true);
  }

  askApart(settings: AnswerSettings, { items: given, isApart }: RespondOptions): string {
    const { items: all } = this.#host;
    const own = given?.map((item) => ('itemId' in item ? all.get(item.itemId) : all.make(item, false)));
    const answerId = this.#newId();
    this.#queued.add(answerId);
    all.track(this.inOrder(async () => {
      const items = own ?? [...all.records];
      await Promise.all(items.map((record) => this.#host.heard(record)));
      if (!this.#queued.delete(answerId) || this.#isClosed) return;
      const unheard = all.unheard(items);
      if (unheard !== undefined) this.#drop(answerId, { status: 'failed', reason: 'error', ...unheard });
      else await this.#give({ answerId, settings, items, isApart: true, isKept: isApart !== true });
    }));
    return answerId;
  }

  #newId(): string {
    return `answer_${++this.#count}`;
  }

  #want(settings: AnswerSettings, isAsked: boolean): string {
    const wanted: WantedAnswer = { answerId: this.#newId(), settings, isAsked };
    this.#wanted = wanted;
    this.#host.items.track(this.inOrder(() => this.#run(wanted)));
    return wanted.answerId;
  }

  async #run(wanted: WantedAnswer): Promise<void> {
    const { items } = this.#host;
    // What was said and is not heard yet belongs to what is answered.
    if (wanted.isAsked) await Promise.all([...items.records].map((record) => this.#host.heard(record)));
    if (this.#wanted !== wanted || this.#isClosed) return;
    this.#wanted = undefined;
    // Who speaks on is answered when they are done.
    if (!wanted.isAsked && (this.#host.isHearing() || !this.#hasUnanswered)) return;
    this.#hasUnanswered = false;
    const { answerId, settings } = wanted;
    await this.#give({ answerId, settings, items: [...items.records], isApart: false, isKept: true });
  }

  async #give({ answerId, settings, items, isApart, isKept }: AnswerPlan): Promise<void> {
    const { items: all, queue, player, sampleRate, answering } = this.#host;
    const record = newRecord(all.newId(), 'assistant');
    const answer = new RunningAnswer({ answerId, record, queue, player, sampleRate, isApart, isKept, answering });
    this.#running = answer;
    try {
      queue.push({ kind: 'answer-started', answerId, itemId: record.id });
      if (isKept) all.insert(record);
      await answer.run(items, { ...this.#host.settings(), ...settings });
    } finally {
      this.#running = undefined;
      this.#host.onOver();
    }
  }

  cancel(answerId: string | undefined): void {
    const isMeant = (id: string): boolean => answerId === undefined || id === answerId;
    const wanted = this.#wanted;
    if (wanted !== undefined && isMeant(wanted.answerId)) {
      this.#wanted = undefined;
      // Of one that a turn wanted nobody was told.
      if (wanted.isAsked) this.#drop(wanted.answerId);
    }
    if (answerId !== undefined && this.#queued.delete(answerId)) this.#drop(answerId);
    if (this.#running !== undefined && isMeant(this.#running.answerId)) this.#running.stop('cancelled');
  }

  #drop(answerId: string, end: AnswerEnd = { status: 'cancelled', reason: 'cancelled' }): void {
    const { queue, items } = this.#host;
    queue.push(neverBegun(answerId, items.newId(), end));
  }

  /** Nothing begins any more. */
  close(): void {
    this.#isClosed = true;
    this.#wanted = undefined;
    this.#running?.stop('cancelled');
  }
}
