/** A conversation with a talker: what is heard becomes turns, turns are answered, and who speaks meanwhile interrupts. */
import type { Waveform } from '../../../audio/audio-stream.ts';
import { InputError } from '../../../tensor/errors.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import { AnswerQueue } from './answer-queue.ts';
import type { Answerer, AnsweringSession, ItemRecord } from './answerer.ts';
import { createEchoGuard } from './echo-guard.ts';
import type { EchoGuard } from './echo-guard.ts';
import { EventQueue } from './event-queue.ts';
import { createHushGate } from './hush.ts';
import type { RunningAnswer } from './running-answer.ts';
import { SessionEars } from './session-ears.ts';
import type { HeardTurn } from './session-ears.ts';
import { newRecord, viewOf } from './session-history.ts';
import { MS_PER_SAMPLE, SessionItems } from './session-items.ts';
import type { SoundPlayer } from './sound-player.ts';
import type {
  AnswerSettings, NewTalkItem, RespondOptions, SessionOptions, SessionSettings, TalkItem, TalkSession, TalkSessionEvent,
} from './talker.ts';

export interface LiveSessionParts {
  readonly answerer: Answerer;
  readonly detector: VoiceDetector;
  readonly options: SessionOptions;
}

export class LiveSession implements TalkSession {
  readonly #answerer: Answerer;
  readonly #answering: AnsweringSession;
  readonly #player: SoundPlayer | undefined;
  readonly #echo: EchoGuard | undefined;
  readonly #queue = new EventQueue();
  readonly #items: SessionItems;
  readonly #ears: SessionEars;
  readonly #hush = createHushGate();
  readonly #answers: AnswerQueue;
  readonly #unsubscribe: () => void;
  #settings: SessionSettings;
  #isClosed = false;
  #wake: (() => void)[] = [];

  constructor({ answerer, detector, options }: LiveSessionParts) {
    const { items = [], player, signal, ...settings } = options;
    this.#answerer = answerer;
    this.#echo = player && createEchoGuard(player);
    this.#player = this.#echo?.player;
    this.#check(settings);
    signal?.throwIfAborted();
    this.#settings = settings;
    this.#answering = answerer.open(settings);
    this.#items = new SessionItems({ answerer, emit: (event) => this.#emit(event), onChange: () => this.#changed() });
    this.#answers = new AnswerQueue({
      answering: this.#answering, player: this.#player, sampleRate: answerer.info.sampleRate, queue: this.#queue, items: this.#items,
      settings: () => this.#settings, isHearing: () => this.#ears.isHearing, heard: (record) => this.#heard(record),
      onOver: () => this.#hush.reset(),
    });
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

  get #answer(): RunningAnswer | undefined {
    return this.#answers.running;
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
    const isDeafened = this.#settings.listensWhileSpeaking === false;
    await this.#ears.hear(isDeafened && this.#echo !== undefined ? this.#echo.silenced(sound) : sound);
  }

  /** @throws InputError for settings that the talker does not have, or that need a player */
  #check(settings: SessionSettings): void {
    this.#answerer.check(settings);
    if (settings.listensWhileSpeaking === false && this.#player === undefined)
      throw new InputError('listensWhileSpeaking: false needs a player, which says when an answer is over: give one, or leave it out.');
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
    if (isHeard && (record.text !== '' || this.#answerer.recognise === undefined)) this.#answers.said();
    if (this.#settings.answersTurns !== false) this.#answers.askForTurn();
  }

  add(item: NewTalkItem, { after }: { readonly after?: string | undefined } = {}): string {
    this.#checkOpen();
    const { id, role } = this.#items.add(item, after);
    if (role === 'user') this.#answers.said();
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
    return isApart || items !== undefined ? this.#answers.askApart(settings, { items, isApart }) : this.#answers.ask(settings);
  }

  /** Resolves when an item's text is there. */
  async #heard(record: ItemRecord): Promise<void> {
    while (record.role === 'user' && record.status === 'in-progress' && !this.#isClosed)
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
  }

  cancel(answerId?: string): void {
    this.#answers.cancel(answerId);
    this.#changed();
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
    else this.#items.track(this.#answers.inOrder(async () => cut()));
  }

  update(settings: SessionSettings): void {
    this.#checkOpen();
    const whole = { ...this.#settings, ...settings };
    this.#check(whole);
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
      this.#answers.close();
      this.#player?.stop();
      this.#ears.close(failure?.reason ?? new InputError('The session was closed.'));
      this.#queue.end(failure);
      this.#changed();
    }
    await this.#answers.inOrder(async () => this.#answering.close());
  }
}
