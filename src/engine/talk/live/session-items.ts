/** What a session's conversation holds: items that are said and put in, and the texts of their sounds, which come later. */
import { checkSampleRate, checkSamples } from '../../../audio/audio-stream.ts';
import type { Waveform } from '../../../audio/audio-stream.ts';
import { resample } from '../../../audio/resample.ts';
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import { InputError } from '../../../tensor/errors.ts';
import { describeNumber } from '../../../tensor/option-names.ts';
import type { Answerer, ItemRecord } from './answerer.ts';
import { checkItem, newRecord, ROOT, SessionHistory, viewOf } from './session-history.ts';
import type { NewTalkItem, TalkSessionEvent } from './talker.ts';

export const MS_PER_SAMPLE = 1000 / SILERO_RATE;

export interface SessionItemsHost {
  readonly answerer: Answerer;
  emit(event: TalkSessionEvent): void;
  /** Something that is waited for may have come. */
  onChange(): void;
}

export class SessionItems {
  readonly #host: SessionItemsHost;
  readonly #history = new SessionHistory();
  /** Why items that nobody is told of could not be heard: their answers say so. */
  readonly #unheard = new WeakMap<ItemRecord, { readonly error: unknown }>();
  /** What is waited for: texts of sounds, answers. */
  readonly #under = new Set<Promise<unknown>>();

  constructor(host: SessionItemsHost) {
    this.#host = host;
  }

  get records(): readonly ItemRecord[] {
    return this.#history.records;
  }

  newId(): string {
    return this.#history.newId();
  }

  get isWaiting(): boolean {
    return this.#under.size > 0;
  }

  /** Until it is done, the session is not idle. What fails is told where it does. */
  track(work: Promise<unknown>): void {
    const done = work.catch(() => {}).finally(() => {
      this.#under.delete(done);
      this.#host.onChange();
    });
    this.#under.add(done);
  }

  /** @throws InputError where nothing hears */
  checkHears(): void {
    const { abilities, name } = this.#host.answerer.info;
    if (!abilities.hears) throw new InputError(`${name} has nothing that hears: say it as text, or give it a model of speech to text.`);
  }

  insert(record: ItemRecord, after?: string): void {
    const previousItemId = this.#history.insert(record, after);
    this.#host.emit({ kind: 'item-added', item: viewOf(record), previousItemId });
  }

  /** @throws InputError for what is no item, and what the talker does not take */
  add(item: NewTalkItem, after: string | undefined): ItemRecord {
    if (after !== undefined && after !== ROOT) this.#history.indexOf(after);
    const record = this.make(item, true);
    this.insert(record, after);
    return record;
  }

  /** Of the conversation. @throws InputError for an item that is not there */
  get(id: string): ItemRecord {
    return this.records[this.#history.indexOf(id)]!;
  }

  /**
   * An item that stands nowhere yet.
   * @param isTold whether its text is an event, when it is heard, or that it could not be
   * @throws InputError as {@link add}
   */
  make(item: NewTalkItem, isTold: boolean): ItemRecord {
    checkItem(item);
    const { abilities, name } = this.#host.answerer.info;
    if (!abilities.roles.includes(item.role))
      throw new InputError(`${name} takes items of role ${abilities.roles.join(' and ')}, found ${item.role}.`);
    if (item.id !== undefined) this.#history.checkFree(item.id);
    const sound = item.role === 'user' ? item.sound : undefined;
    if (sound !== undefined) this.checkHears();
    if (sound !== undefined) checkSound(sound);
    const record = newRecord(item.id ?? this.newId(), item.role, {
      text: item.text ?? '', status: sound === undefined ? 'completed' : 'in-progress',
      ...(item.role === 'assistant' && { toolCalls: item.toolCalls ?? [] }), ...(item.role === 'tool' && { callId: item.callId }),
    });
    if (sound !== undefined) this.#takeSound(record, sound, isTold);
    return record;
  }

  #takeSound(record: ItemRecord, sound: Waveform, isTold: boolean): void {
    const { recognise } = this.#host.answerer;
    const part = { startSample: 0, samples: resample(sound, SILERO_RATE).samples };
    record.audioMs = part.samples.length * MS_PER_SAMPLE;
    const written = record.text;
    if (recognise !== undefined) {
      this.track(this.hear(record, [Promise.resolve(written), recognise(part, new AbortController().signal)], isTold));
      return;
    }
    record.sound = [part];
    record.status = 'completed';
  }

  /**
   * Puts the texts of its parts into an item, when they are heard. Does not throw: a failure is an event, or {@link unheard}.
   * @returns whether it went well
   */
  async hear(record: ItemRecord, texts: readonly Promise<string>[], isTold = true): Promise<boolean> {
    try {
      if (this.#host.answerer.recognise !== undefined) {
        record.text = (await Promise.all(texts)).filter((text) => text !== '').join(' ');
        if (isTold) this.#host.emit({ kind: 'input-text', itemId: record.id, text: record.text, isFinal: true });
      }
      record.status = 'completed';
      return true;
    } catch (error) {
      record.status = 'incomplete';
      if (isTold) this.#host.emit({ kind: 'input-failed', itemId: record.id, error });
      else this.#unheard.set(record, { error });
      return false;
    }
  }

  /** What no event told: the first of these items that could not be heard, and why. */
  unheard(records: readonly ItemRecord[]): { readonly error: unknown } | undefined {
    return records.map((record) => this.#unheard.get(record)).find((failed) => failed !== undefined);
  }

  /** @throws InputError */
  remove(itemId: string): void {
    this.#history.remove(itemId);
    this.#host.emit({ kind: 'item-removed', itemId });
  }

  /** An answer that is to be cut, and to how many samples. @throws InputError */
  cutOf(itemId: string, audioEndMs: number): { readonly record: ItemRecord; readonly samples: number } {
    const record = this.records[this.#history.indexOf(itemId)]!;
    if (record.role !== 'assistant') throw new InputError('Only answers can be cut to what was heard of them.');
    const { sampleRate } = this.#host.answerer.info;
    if (typeof audioEndMs !== 'number' || !(audioEndMs >= 0))
      throw new InputError(`audioEndMs must be a number of at least 0, found ${describeNumber(audioEndMs)}.`);
    const samples = Math.round((audioEndMs / 1000) * sampleRate);
    if (samples <= record.samples) return { record, samples };
    const madeMs = Math.round((1000 * record.samples) / sampleRate);
    throw new InputError(`The answer has ${madeMs} ms of speech, found audioEndMs ${audioEndMs}.`);
  }
}

function checkSound(sound: Waveform): void {
  checkSampleRate('sampleRate', sound.sampleRate);
  checkSamples(sound.samples);
  if (sound.samples.length === 0) throw new InputError('The sound is empty: there is nothing to hear.');
}
