/** Chats whose answers are spoken, or given by a model that speaks itself: whole, and streamed. */
import { joinSamples } from '../../audio/audio-stream.ts';
import { createResampler } from '../../audio/resample.ts';
import { encodeSamples } from '../../audio/wav-samples.ts';
import { encodeWav } from '../../audio/wav-writer.ts';
import type { Model, Piece } from '../../engine/api.ts';
import type { VoiceModel } from '../../engine/speech/voice-model.ts';
import { spokenAnswer } from '../../engine/talk/cascade/spoken-answer.ts';
import type { AnswerPiece } from '../../engine/talk/live/answerer.ts';
import type { TalkEvent } from '../../engine/talk/talk-flow.ts';
import type { ToolCallPart } from '../../text/answers/answer-parts.ts';
import { InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { toBase64 } from '../base64.ts';
import type { Call } from '../call.ts';
import { toldCallId } from '../call-ids.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { findAnyModel, findModel, findTalkModel, fingerprintOf } from '../find-model.ts';
import { ownError } from '../own-error.ts';
import { runGeneration } from '../run-generation.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { ChatParameters } from './chat-parameters.ts';
import { failureEvents } from './error-form.ts';
import type { SpokenFormat } from './spoken-parameters.ts';
import { checkTalkChat, talkChat } from './talk-chat.ts';

/** Hz of speech that is sent. */
const RATE = 24_000;
/** Of a model that speaks itself: samples of a token. */
const FRAME_SAMPLES = 1920;

interface SpokenChat {
  readonly call: Call;
  readonly pieces: AsyncGenerator<AnswerPiece, void, undefined>;
  /** Hz of the speech that comes. */
  readonly rate: number;
  /** Undefined: an answer of text alone. */
  readonly format: SpokenFormat | undefined;
  /** Whether frames of speech count as tokens. */
  readonly hasFrames: boolean;
  readonly said: () => readonly TalkEvent[] | undefined;
  readonly frame: object;
}

export interface Spoken {
  readonly voice: string | undefined;
  readonly format: SpokenFormat;
}

function frameOf(call: Call, { model, stream }: ChatParameters, fingerprint: string): object {
  return {
    id: `chatcmpl-${call.id.slice(4)}`, object: stream === true ? 'chat.completion.chunk' : 'chat.completion',
    created: Math.floor(Date.now() / 1000), model, system_fingerprint: fingerprint,
  };
}

/** Of a model that speaks itself. */
export async function talkedChat(call: Call, parameters: ChatParameters, spoken: Spoken | undefined): Promise<Response> {
  checkTalkChat(parameters);
  const model = await findTalkModel(call, parameters.model);
  const { pieces, said } = await talkChat(call, model, parameters);
  const chat: SpokenChat = {
    call, pieces, said, rate: model.info.sampleRate, format: spoken?.format, hasFrames: true, frame: frameOf(call, parameters, 'fp_talk'),
  };
  return respond(chat, parameters);
}

/** Of a model of text, whose answer the server's voice speaks. @param request with messages of text */
export async function spokenChat(call: Call, parameters: ChatParameters, spoken: Spoken, request: AnswerRequest): Promise<Response> {
  const { voice: name } = call.state.speech;
  if (name === undefined)
    throw invalid('modalities ask for speech, and the server has no model that speaks: ask for ["text"].', {
      param: 'modalities', code: 'unsupported_parameter',
    });
  const voice = (await findAnyModel(call, name)) as VoiceModel;
  const model: Model = await findModel(call, parameters.model);
  const pieces = speak(call, { voice, name: spoken.voice, write: runGeneration(call, model, [request]) });
  const chat: SpokenChat = {
    call, pieces, rate: voice.info.sampleRate, format: spoken.format, hasFrames: false, said: () => undefined,
    frame: frameOf(call, parameters, fingerprintOf(model)),
  };
  return respond(chat, parameters);
}

async function* speak(
  call: Call,
  { voice, name, write }: { readonly voice: VoiceModel; readonly name: string | undefined; readonly write: AsyncGenerator<Piece> },
): AsyncGenerator<AnswerPiece, void, undefined> {
  try {
    yield* spokenAnswer({ write: (signal) => untilAborted(write, signal), voice, speaking: { voice: name }, signal: call.signal });
  } catch (error) {
    const isOfVoice = error instanceof InputError && /voice/.test(error.message);
    throw isOfVoice ? invalid(error.message, { param: 'audio.voice', code: 'invalid_value' }) : ownError(error, call);
  }
}

/** What nobody wants any more is not written on. */
async function* untilAborted(pieces: AsyncGenerator<Piece>, signal: CancelSignal): AsyncGenerator<Piece> {
  for await (const piece of pieces) {
    if (signal.aborted) return;
    yield piece;
  }
}

async function respond(chat: SpokenChat, { stream, stream_options: options }: ChatParameters): Promise<Response> {
  if (stream !== true) return Response.json(await wholeAnswer(chat));
  return eventStream(chat.call, chunks(chat, options?.include_usage === true), { failureEvents });
}

const FINISH = { stop: 'stop', tool_calls: 'tool_calls', length: 'length', context: 'length' } as const;

type EndPiece = Extract<AnswerPiece, { readonly kind: 'end' }>;

function usageOf({ hasFrames }: SpokenChat, { usage }: EndPiece, samples: number): object {
  const { inputTokens, cachedTokens, textTokens } = usage;
  const audio = hasFrames ? Math.round(samples / FRAME_SAMPLES) : 0;
  return {
    prompt_tokens: inputTokens, completion_tokens: textTokens + audio, total_tokens: inputTokens + textTokens + audio,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: audio, text_tokens: textTokens },
  };
}

/** @returns when it is forgotten */
function keep({ call, said }: SpokenChat, id: string, transcript: string): number {
  return call.state.spoken.keep(id, { transcript, model: call.figures.model as string, keyId: call.holder?.keyId, said: said() });
}

interface ToolCallJson {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; arguments: string };
}

function addCall(calls: ToolCallJson[], part: ToolCallPart): void {
  if (part.phase === 'start')
    calls[part.index] = { id: toldCallId(part.id, 'call'), type: 'function', function: { name: part.name, arguments: '' } };
  else if (part.phase === 'arguments') calls[part.index]!.function.arguments += part.text;
}

function bytesOf(format: SpokenFormat, samples: Float32Array): Uint8Array {
  const clipped = samples.map((sample) => Math.min(1, Math.max(-1, sample)));
  return format === 'wav' ? encodeWav(clipped, { sampleRate: RATE, channels: 1 }) : encodeSamples(clipped, 'int16');
}

async function wholeAnswer(chat: SpokenChat): Promise<object> {
  const { pieces, rate, format, frame } = chat;
  const resampler = createResampler({ from: rate, to: RATE });
  const sounds: Float32Array[] = [];
  const calls: ToolCallJson[] = [];
  let [text, made, end]: [string, number, EndPiece | undefined] = ['', 0, undefined];
  for await (const piece of pieces) {
    if (piece.kind === 'text') text += piece.text;
    else if (piece.kind === 'tool-call') addCall(calls, piece.part);
    else if (piece.kind === 'end') end = piece;
    else {
      made += piece.samples.length;
      if (format !== undefined) sounds.push(resampler.push(piece.samples));
    }
  }
  const hasSound = format !== undefined && made > 0;
  const id = chat.call.state.spoken.newId();
  const audio = hasSound
    ? { id, expires_at: keep(chat, id, text), data: toBase64(bytesOf(format, joinSamples([...sounds, resampler.end()]))), transcript: text }
    : undefined;
  const message = {
    role: 'assistant', content: hasSound || (text === '' && calls.length > 0) ? null : text, refusal: null,
    ...(audio === undefined ? {} : { audio }), ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return {
    ...frame, choices: [{ index: 0, message, logprobs: null, finish_reason: FINISH[end!.reason] }], usage: usageOf(chat, end!, made),
  };
}

/** A call as a delta; undefined where nothing comes. */
function callDelta(part: ToolCallPart): object | undefined {
  if (part.phase === 'start')
    return { index: part.index, id: toldCallId(part.id, 'call'), type: 'function', function: { name: part.name, arguments: '' } };
  return part.phase === 'arguments' ? { index: part.index, function: { arguments: part.text } } : undefined;
}

/** Transcript and sound come as they are made; until when the answer is kept comes last, when all of it is there. */
async function* chunks(chat: SpokenChat, hasUsage: boolean): AsyncGenerator<string, void, undefined> {
  const { pieces, rate, format, frame } = chat;
  const resampler = createResampler({ from: rate, to: RATE });
  const chunk = (delta: object, finish: string | null = null) =>
    dataEvent({ ...frame, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...(hasUsage ? { usage: null } : {}) });
  const sound = (samples: Float32Array) => (samples.length === 0 ? '' : chunk({ audio: { data: toBase64(bytesOf('pcm16', samples)) } }));
  const id = chat.call.state.spoken.newId();
  let [text, made] = ['', 0];
  const begun = format === undefined ? { content: '' } : { content: null, audio: { id, transcript: '' } };
  yield chunk({ role: 'assistant', refusal: null, ...begun });
  for await (const piece of pieces) {
    if (piece.kind === 'text') {
      text += piece.text;
      yield chunk(format === undefined ? { content: piece.text } : { audio: { transcript: piece.text } });
    } else if (piece.kind === 'tool-call') {
      const delta = callDelta(piece.part);
      if (delta !== undefined) yield chunk({ tool_calls: [delta] });
    } else if (piece.kind === 'audio') {
      made += piece.samples.length;
      if (format !== undefined) yield sound(resampler.push(piece.samples));
    } else {
      if (format !== undefined && made > 0) yield sound(resampler.end()) + chunk({ audio: { expires_at: keep(chat, id, text) } });
      yield chunk({}, FINISH[piece.reason]);
      if (hasUsage) yield dataEvent({ ...frame, choices: [], usage: usageOf(chat, piece, made) });
    }
  }
  yield 'data: [DONE]\n\n';
}
