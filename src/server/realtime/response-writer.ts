/** The events of one response: what is made of an answer as it comes, in the order that OpenAI's have. */
import type { AnswerEnd, TalkSessionUsage } from '../../engine/talk/live/talker.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { ToolCallPart } from '../../text/answers/answer-parts.ts';
import { toldCallId } from '../call-ids.ts';
import { failureOf } from '../failure.ts';
import { newId } from './new-id.ts';
import type { Outbox } from './outbox.ts';
import type { SessionConfig } from './session-config.ts';
import { REALTIME_RATE } from './session-parameters.ts';
import { createSoundDeltas } from './sound-events.ts';
import type { ToldItem, ToldItems } from './told-items.ts';

export interface ResponseOptions {
  readonly out: Outbox;
  readonly items: ToldItems;
  readonly config: SessionConfig;
  readonly metadata: JsonObject | null;
  /** Of the message that it may have. */
  readonly itemId: string;
  /** Its items are not the conversation's. */
  readonly isApart: boolean;
  readonly conversationId: string | null;
  /** Hz of the speech that comes. */
  readonly sampleRate: number;
  /** Milliseconds of speech that count as a token; undefined: speech counts none. */
  readonly tokenMs: number | undefined;
}

export interface ResponseWriter {
  readonly id: string;
  text(text: string): void;
  sound(samples: Float32Array): void;
  /** @returns the item of a call that begins */
  call(part: ToolCallPart): string | undefined;
  done(end: AnswerEnd, usage: TalkSessionUsage): void;
}

interface OpenCall {
  readonly item: ToldItem;
  readonly index: number;
  arguments: string;
}

const STATUS = { completed: 'completed', incomplete: 'incomplete', cancelled: 'incomplete', failed: 'incomplete' } as const;

class Response implements ResponseWriter {
  readonly id = newId('resp');
  readonly #options: ResponseOptions;
  readonly #deltas: ReturnType<typeof createSoundDeltas>;
  readonly #output: ToldItem[] = [];
  readonly #calls = new Map<number, OpenCall>();
  /** Of the message, where it has begun. */
  #messageAt: number | undefined;
  #text = '';

  constructor(options: ResponseOptions) {
    this.#options = options;
    this.#deltas = createSoundDeltas(options.sampleRate);
    options.out.send({ type: 'response.created', response: this.#json('in_progress', null) });
  }

  #json(status: string, details: JsonObject | null, usage?: object): object {
    const { config, metadata, conversationId } = this.#options;
    return {
      object: 'realtime.response', id: this.id, status, status_details: details, output: this.#output, conversation_id: conversationId,
      output_modalities: [config.modality], max_output_tokens: config.mostTokens, metadata, usage: usage ?? null,
      audio: { output: { format: { type: 'audio/pcm', rate: REALTIME_RATE }, voice: config.voice ?? null } },
    };
  }

  get #isSpoken(): boolean {
    return this.#options.config.modality === 'audio';
  }

  #send(type: string, more: object): void {
    this.#options.out.send({ type, response_id: this.id, ...more });
  }

  /** @returns its place among the output */
  #begin(item: ToldItem): number {
    const { out, items, isApart } = this.#options;
    const index = this.#output.push(item) - 1;
    this.#send('response.output_item.added', { output_index: index, item });
    if (!isApart) out.send({ type: 'conversation.item.added', previous_item_id: items.put(item), item });
    return index;
  }

  #end(index: number, item: ToldItem): void {
    const { out, items, isApart } = this.#options;
    this.#output[index] = item;
    this.#send('response.output_item.done', { output_index: index, item });
    if (!isApart) out.send({ type: 'conversation.item.done', previous_item_id: items.put(item), item });
  }

  #message(status: string): ToldItem {
    const part = this.#isSpoken ? { type: 'output_audio', transcript: this.#text } : { type: 'output_text', text: this.#text };
    return {
      id: this.#options.itemId, object: 'realtime.item', type: 'message', status, role: 'assistant',
      content: status === 'in_progress' ? [] : [part],
    };
  }

  #part(): object {
    return this.#isSpoken ? { type: 'audio', transcript: this.#text } : { type: 'text', text: this.#text };
  }

  /** Where events of the message's one part belong. */
  #place(): object {
    if (this.#messageAt === undefined) {
      this.#messageAt = this.#begin(this.#message('in_progress'));
      this.#send('response.content_part.added', { ...this.#of(this.#messageAt), part: this.#part() });
    }
    return this.#of(this.#messageAt);
  }

  #of(output_index: number): object {
    return { item_id: this.#options.itemId, output_index, content_index: 0 };
  }

  text(text: string): void {
    const place = this.#place();
    this.#text += text;
    this.#send(this.#isSpoken ? 'response.output_audio_transcript.delta' : 'response.output_text.delta', { ...place, delta: text });
  }

  sound(samples: Float32Array): void {
    this.#soundDeltas(this.#deltas.push(samples));
  }

  #soundDeltas(deltas: readonly string[]): void {
    for (const delta of deltas) this.#send('response.output_audio.delta', { ...this.#place(), delta });
  }

  call(part: ToolCallPart): string | undefined {
    if (part.phase === 'start') {
      const item: ToldItem = {
        id: newId('item'), object: 'realtime.item', type: 'function_call', status: 'in_progress', call_id: toldCallId(part.id, 'call'),
        name: part.name, arguments: '',
      };
      this.#calls.set(part.index, { item, index: this.#begin(item), arguments: '' });
      return item.id;
    }
    const open = this.#calls.get(part.index);
    if (open === undefined) return undefined;
    const place = { item_id: open.item.id, output_index: open.index, call_id: open.item['call_id'] };
    if (part.phase === 'arguments') {
      open.arguments += part.text;
      this.#send('response.function_call_arguments.delta', { ...place, delta: part.text });
    } else {
      this.#send('response.function_call_arguments.done', { ...place, name: part.name, arguments: open.arguments });
      this.#calls.delete(part.index);
      this.#end(open.index, { ...open.item, status: 'completed', arguments: open.arguments });
    }
    return undefined;
  }

  done(end: AnswerEnd, usage: TalkSessionUsage): void {
    const status = STATUS[end.status];
    this.#soundDeltas(this.#deltas.end());
    if (this.#messageAt !== undefined) this.#endMessage(this.#messageAt, status);
    // Calls that were cut.
    for (const { item, index, arguments: text } of this.#calls.values())
      this.#end(index, { ...item, status: 'incomplete', arguments: text });
    const { out, tokenMs } = this.#options;
    out.send({ type: 'response.done', response: this.#json(end.status, detailsOf(end), usageJson(usage, tokenMs)) });
  }

  #endMessage(index: number, status: string): void {
    const place = this.#of(index);
    if (this.#isSpoken) {
      this.#send('response.output_audio.done', place);
      this.#send('response.output_audio_transcript.done', { ...place, transcript: this.#text });
    } else this.#send('response.output_text.done', { ...place, text: this.#text });
    this.#send('response.content_part.done', { ...place, part: this.#part() });
    this.#end(index, this.#message(status));
  }
}

/** Begins a response: clients are told that it was created. */
export function beginResponse(options: ResponseOptions): ResponseWriter {
  return new Response(options);
}

function detailsOf(end: AnswerEnd): JsonObject | null {
  switch (end.status) {
    case 'completed':
      return null;
    case 'incomplete':
      return { type: 'incomplete', reason: 'max_output_tokens' };
    case 'cancelled':
      return { type: 'cancelled', reason: end.reason === 'interrupted' ? 'turn_detected' : 'client_cancelled' };
    case 'failed': {
      const { type, code, message } = failureOf(end.error);
      return { type: 'failed', error: { type, code: code ?? null, message } };
    }
    default:
      throw new Error(`an answer ends in another way: ${JSON.stringify(end satisfies never)}`);
  }
}

export interface CountedTokens {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

export function countedTokens(usage: TalkSessionUsage, tokenMs: number | undefined): CountedTokens {
  const audio = tokenMs === undefined ? 0 : Math.round(usage.spokenMs / tokenMs);
  return { input: usage.inputTokens, cached: usage.cachedTokens, output: usage.textTokens + audio };
}

function usageJson(usage: TalkSessionUsage, tokenMs: number | undefined): object {
  const { input, cached, output } = countedTokens(usage, tokenMs);
  const heard = usage.heardTokens;
  return {
    total_tokens: input + output, input_tokens: input, output_tokens: output,
    input_token_details: { text_tokens: input - heard, audio_tokens: heard, image_tokens: 0, cached_tokens: cached },
    output_token_details: { text_tokens: usage.textTokens, audio_tokens: output - usage.textTokens },
  };
}
