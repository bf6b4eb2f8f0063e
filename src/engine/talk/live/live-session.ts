/** A conversation with a talker: what is heard becomes turns, turns are answered, and who speaks meanwhile interrupts. */
import type { Waveform } from '../../../audio/audio-stream.ts';
import { InputError } from '../../../tensor/errors.ts';
import { createTurns } from '../../speech/in-turn.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { Answerer, AnsweringSession, ItemRecord } from './answerer.ts';
import { EventQueue } from './event-queue.ts';
import { createHushGate } from './hush.ts';
import { neverBegun, RunningAnswer } from './running-answer.ts';
import type { RunningAnswerParts } from './running-answer.ts';
import { SessionEars } from './session-ears.ts';
import type { HeardTurn } from './session-ears.ts';
import { newRecord, viewOf } from './session-history.ts';
import { MS_PER_SAMPLE, SessionItems } from './session-items.ts';
import type { SoundPlayer } from './sound-player.ts';
import type {
  AnswerEnd, AnswerSettings, NewTalkItem, RespondOptions, SessionOptions, SessionSettings, TalkItem, TalkSession, TalkSessionEvent,
} from './talker.ts';

export interface LiveSessionParts {
  readonly answerer: Answerer;
  readonly detector: VoiceDetector;
  readonly options: SessionOptions;
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

export class LiveSession implements TalkSession {
  readonly #answerer: Answerer;
  readonly #answering: AnsweringSession;
  readonly #player: SoundPlayer | undefined;
  readonly #queue = new EventQueue();
  readonly #items: SessionItems;
  readonly #ears: SessionEars;
  readonly #hush = createHushGate();
  /** Answers, and what cuts them, one after another. */
  readonly #inOrder = createTurns();
  readonly #unsubscribe: () => void;
  #settings: SessionSettings;
  #wanted: WantedAnswer | undefined;
  /** Answers to other items than the conversation's next, or that are none of it, that have not begun. */
  readonly #queued = new Set<string>();
  #answer: RunningAnswer | undefined;
  #answers = 0;
  /** Whether something was said since the last answer began. */
  #hasUnanswered = false;
  #isClosed = false;
  #wake: (() => void)[] = [];

  constructor({ answerer, detector, options }: LiveSessionParts) {
    const { items = [], player, signal, ...settings } = options;
    answerer.check(settings);
    signal?.throwIfAborted();
    this.#answerer = answerer;
    this.#settings = settings;
    this.#player = player;
    this.#answering = answerer.open(settings);
    this.#items = new SessionItems({ answerer, emit: (event) => this.#emit(event), onChange: () => this.#changed() });
    const { recognise, openSound, mostTurnSeconds } = answerer;
    this.#ears = new SessionEars({
      detector, recognise, openSound, mostTurnSeconds,
      isOtherSpeaking: () => this.#isInterruptible && this.#answer?.isStopped === false && this.#answer.isKept,
      newItemId: () => this.#items.newId(),
      onFrame: (probability, atSample) => this.#frame(probability, atSample),
      onStart: (turn) => this.#speechStarted(turn),
      onPartial: ({ itemId }, text) => this.#emit({ kind: 'input-text', itemId, text, isFinal: false }),
      onEnd: (turn) => this.#turnEnded(turn),
    }, settings.turns);
    const onAbort = (): void => void this.#close({ reason: signal?.reason });
    signal?.addEventListener('abort', onAbort);
    this.#unsubscribe = () => signal?.removeEventListener('abort', onAbort);
    for (const item of items) this.add(item);
  }

  get settings(): SessionSettings {
    return this.#settings;
  }

  get history(): readonly TalkItem[] {
    return this.#items.records.map(viewOf);
  }

  get isAnswering(): boolean {
    return this.#answer !== undefined;
  }

  get isHearing(): boolean {
    return this.#ears.isHearing;
  }

  get #isInterruptible(): boolean {
    return this.#settings.isInterruptible !== false && this.#settings.turns !== 'none';
  }

  events(): AsyncGenerator<TalkSessionEvent> {
    return this.#queue.read();
  }

  #emit(event: TalkSessionEvent): void {
    this.#queue.push(event);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new InputError('The session is closed: open another.');
  }

  async hear(sound: Waveform): Promise<void> {
    this.#checkOpen();
    this.#items.checkHears();
    await this.#ears.hear(sound);
  }

  async commit(): Promise<string> {
    this.#checkOpen();
    return this.#ears.commit();
  }

  async clear(): Promise<void> {
    this.#checkOpen();
    await this.#ears.clear();
    this.#changed();
  }

  #frame(probability: number, atSample: number): void {
    const answer = this.#answer;
    if (this.#player === undefined || answer?.isSounding !== true || !this.#isInterruptible) return this.#hush.reset();
    const change = this.#hush.push(probability);
    if (change === undefined) return;
    if (change === 'hush') this.#player.pause();
    else this.#player.resume();
    this.#emit({ kind: change === 'hush' ? 'hushed' : 'unhushed', atMs: atSample * MS_PER_SAMPLE });
  }

  #speechStarted({ itemId, startSample }: HeardTurn): void {
    this.#hush.reset();
    if (this.#settings.turns === 'none') return;
    this.#emit({ kind: 'speech-started', itemId, startMs: startSample * MS_PER_SAMPLE });
    if (this.#isInterruptible && this.#answer?.isKept === true) this.#answer.stop('interrupted');
  }

  #turnEnded(turn: HeardTurn): void {
    const { itemId, startSample, endSample, parts } = turn;
    const [startMs, endMs] = [startSample * MS_PER_SAMPLE, endSample * MS_PER_SAMPLE];
    const record = newRecord(itemId, 'user', { audioMs: endMs - startMs, sound: parts });
    if (this.#settings.turns !== 'none') this.#emit({ kind: 'speech-stopped', itemId, endMs });
    this.#emit({ kind: 'committed', itemId, startMs, endMs });
    this.#items.insert(record);
    this.#items.track(this.#hearTurn(record, turn.texts));
  }

  /** Waits for what a turn said, and answers it. */
  async #hearTurn(record: ItemRecord, texts: readonly Promise<string>[]): Promise<void> {
    const isHeard = await this.#items.hear(record, texts);
    // What is no word is no question; a model that hears by itself finds that out.
    if (isHeard && (record.text !== '' || this.#answerer.recognise === undefined)) this.#hasUnanswered = true;
    if (this.#settings.answersTurns !== false && this.#hasUnanswered && this.#wanted === undefined) this.#want({}, false);
  }

  add(item: NewTalkItem, { after }: { readonly after?: string | undefined } = {}): string {
    this.#checkOpen();
    const { id, role } = this.#items.add(item, after);
    if (role === 'user') this.#hasUnanswered = true;
    return id;
  }

  remove(itemId: string): void {
    this.#checkOpen();
    if (this.#answer?.record.id === itemId) throw new InputError('The item is being answered: cancel the answer first.');
    this.#items.remove(itemId);
  }

  respond(settings: AnswerSettings = {}, { items, isApart = false }: RespondOptions = {}): string {
    this.#checkOpen();
    const whole = { ...this.#settings, ...settings };
    this.#answerer.check(whole);
    if (isApart || items !== undefined) return this.#respondApart(settings, { items, isApart });
    if (this.#wanted?.isAsked === true) throw new InputError('An answer waits already: it begins when the one before is over.');
    return this.#want(settings, true);
  }

  #respondApart(settings: AnswerSettings, { items: given, isApart }: RespondOptions): string {
    const own = given?.map((item) => ('itemId' in item ? this.#items.get(item.itemId) : this.#items.make(item, false)));
    const answerId = `answer_${++this.#answers}`;
    this.#queued.add(answerId);
    this.#items.track(this.#inOrder(async () => {
      const items = own ?? [...this.#items.records];
      await Promise.all(items.map((record) => this.#heard(record)));
      if (!this.#queued.delete(answerId) || this.#isClosed) return;
      const unheard = this.#items.unheard(items);
      if (unheard !== undefined) this.#drop(answerId, { status: 'failed', reason: 'error', ...unheard });
      else await this.#give({ answerId, settings, items, isApart: true, isKept: isApart !== true });
    }));
    return answerId;
  }

  #want(settings: AnswerSettings, isAsked: boolean): string {
    const answerId = `answer_${++this.#answers}`;
    const wanted: WantedAnswer = { answerId, settings, isAsked };
    this.#wanted = wanted;
    this.#items.track(this.#inOrder(() => this.#run(wanted)));
    return answerId;
  }

  async #run(wanted: WantedAnswer): Promise<void> {
    // What was said and is not heard yet belongs to what is answered.
    if (wanted.isAsked) await Promise.all([...this.#items.records].map((record) => this.#heard(record)));
    if (this.#wanted !== wanted || this.#isClosed) return;
    this.#wanted = undefined;
    // Who speaks on is answered when they are done.
    if (!wanted.isAsked && (this.#ears.isHearing || !this.#hasUnanswered)) return;
    this.#hasUnanswered = false;
    const { answerId, settings } = wanted;
    await this.#give({ answerId, settings, items: [...this.#items.records], isApart: false, isKept: true });
  }

  async #give({ answerId, settings, items, isApart, isKept }: AnswerPlan): Promise<void> {
    const record = newRecord(this.#items.newId(), 'assistant');
    const answer = new RunningAnswer({
      answerId, record, queue: this.#queue, player: this.#player, sampleRate: this.#answerer.info.sampleRate, isApart, isKept,
      answering: this.#answering,
    });
    this.#answer = answer;
    try {
      this.#emit({ kind: 'answer-started', answerId, itemId: record.id });
      if (isKept) this.#items.insert(record);
      await answer.run(items, { ...this.#settings, ...settings });
    } finally {
      this.#answer = undefined;
      this.#hush.reset();
    }
  }

  /** Resolves when an item's text is there. */
  async #heard(record: ItemRecord): Promise<void> {
    while (record.role === 'user' && record.status === 'in-progress' && !this.#isClosed)
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
  }

  cancel(answerId?: string): void {
    const isMeant = (id: string): boolean => answerId === undefined || id === answerId;
    const wanted = this.#wanted;
    if (wanted !== undefined && isMeant(wanted.answerId)) {
      this.#wanted = undefined;
      // Of one that a turn wanted nobody was told.
      if (wanted.isAsked) this.#drop(wanted.answerId);
    }
    if (answerId !== undefined && this.#queued.delete(answerId)) this.#drop(answerId);
    if (this.#answer !== undefined && isMeant(this.#answer.answerId)) this.#answer.stop('cancelled');
    this.#changed();
  }

  #drop(answerId: string, end: AnswerEnd = { status: 'cancelled', reason: 'cancelled' }): void {
    this.#emit(neverBegun(answerId, this.#items.newId(), end));
  }

  truncate(itemId: string, audioEndMs: number): void {
    this.#checkOpen();
    const { record, samples } = this.#items.cutOf(itemId, audioEndMs);
    const running = this.#answer?.record === record ? this.#answer : undefined;
    if (running !== undefined && !running.isStopped)
      throw new InputError('The answer is still being given: cancel it first, or let it end.');
    const cut = (): void => {
      record.text = this.#answering.keepHeard(record, samples);
      record.samples = samples;
      record.audioMs = audioEndMs;
      record.status = 'incomplete';
      this.#emit({ kind: 'truncated', itemId, audioEndMs, text: record.text });
    };
    if (running === undefined) cut();
    else this.#items.track(this.#inOrder(async () => cut()));
  }

  update(settings: SessionSettings): void {
    this.#checkOpen();
    const whole = { ...this.#settings, ...settings };
    this.#answerer.check(whole);
    if (settings.turns !== undefined && settings.turns !== this.#settings.turns) this.#items.track(this.#ears.setTurns(settings.turns));
    this.#settings = whole;
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async idle(): Promise<void> {
    while (!this.#isClosed && (this.#ears.isHearing || this.#items.isWaiting))
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
  }

  async close(): Promise<void> {
    await this.#close();
  }

  async #close(failure?: { readonly reason: unknown }): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#unsubscribe();
      this.#wanted = undefined;
      this.#answer?.stop('cancelled');
      this.#player?.stop();
      this.#ears.close(failure?.reason ?? new InputError('The session was closed.'));
      this.#queue.end(failure);
      this.#changed();
    }
    await this.#inOrder(async () => this.#answering.close());
  }
}
