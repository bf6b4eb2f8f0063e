/** The model that a request names. */
import type { Model } from '../engine/api.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { VoiceModel } from '../engine/speech/voice-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import type { ModelKind, ServedModel } from './api.ts';
import type { Call } from './call.ts';
import { Failure, invalid } from './failure.ts';

/** Whether the request's key may ask a model, by its own name or the one that it is asked by. */
export function mayAsk({ holder }: Call, id: string, name: string): boolean {
  const { models } = holder?.limits ?? {};
  return models === undefined || models.includes(name) || models.includes(id);
}

/** @throws Failure (404) for a model that there is not, (403) for one that the request's key may not ask. @returns its own name */
export function checkModelOf(call: Call, id: string): string {
  const { models: allowed } = call.holder?.limits ?? {};
  const { models } = call.state;
  const isThere = models.names.some((name) => name === id || models.describe(name).aliases.includes(id));
  // Who may ask some is not told of the others.
  if (!isThere && allowed !== undefined)
    throw new Failure(`There is no model of this name here that this key may ask. It may ask ${allowed.join(', ')}.`, {
      status: 404, code: 'model_not_found', param: 'model',
    });
  const { name } = models.describe(id);
  if (mayAsk(call, id, name)) return name;
  // The log tells whose key asked for what.
  call.figures.model = name;
  throw new Failure(`This key may not ask the model ${JSON.stringify(id)}. It may ask ${allowed?.join(', ')}.`, {
    status: 403, type: 'permission_error', code: 'model_not_allowed', param: 'model',
  });
}

export interface FindOptions {
  /** How long it is to stay after the call; default: as the server's options say. */
  readonly idleMs?: number | undefined;
}

/**
 * Waits until a model of any kind is loaded; the call holds it until it is over.
 * @throws Failure: 404 and 403 as {@link checkModelOf}; 503 where it is not loaded in time, does not fit or cannot be loaded
 */
export async function findAnyModel(call: Call, id: string, { idleMs }: FindOptions = {}): Promise<ServedModel> {
  call.figures.model = checkModelOf(call, id);
  try {
    const waitMs = Math.min(call.remainingMs(), call.state.limits.loadMs);
    const { model, release } = await call.state.models.hold(id, { signal: call.signal, waitMs, idleMs });
    call.atEnd.push(release);
    return model;
  } catch (error) {
    throw call.signal.aborted ? call.signal.reason : error;
  }
}

const OTHER_KIND: Readonly<Record<ModelKind, string>> = {
  text: 'reads text, and neither hears nor speaks: send it text.',
  speech: 'hears speech and reads no text: ask it at /v1/audio/transcriptions.',
  voice: 'speaks, and answers nothing: ask it at /v1/audio/speech.',
  talk: 'answers speech with speech: ask it at /v1/chat/completions or /v1/realtime.',
};

/** Before it is loaded. @throws Failure: as {@link checkModelOf}, and 400 for a model of another kind */
export function checkKind(call: Call, id: string, wanted: ModelKind): void {
  call.figures.model = checkModelOf(call, id);
  const { kind } = call.state.models.describe(id);
  if (kind !== wanted) throw invalid(`The model ${id} ${OTHER_KIND[kind]}`, { param: 'model', code: 'unsupported_model' });
}

/** A model of text. @throws Failure as {@link checkKind} and {@link findAnyModel} */
export async function findModel(call: Call, id: string, options: FindOptions = {}): Promise<Model> {
  checkKind(call, id, 'text');
  return (await findAnyModel(call, id, options)) as Model;
}

/** A model that hears. @throws Failure as {@link checkKind} and {@link findAnyModel} */
export async function findSpeechModel(call: Call, id: string): Promise<SpeechModel> {
  checkKind(call, id, 'speech');
  return (await findAnyModel(call, id)) as SpeechModel;
}

/** A model that speaks. @throws Failure as {@link checkKind} and {@link findAnyModel} */
export async function findVoiceModel(call: Call, id: string): Promise<VoiceModel> {
  checkKind(call, id, 'voice');
  return (await findAnyModel(call, id)) as VoiceModel;
}

/** A model that answers speech with speech. @throws Failure as {@link checkKind} and {@link findAnyModel} */
export async function findTalkModel(call: Call, id: string): Promise<TalkModel> {
  checkKind(call, id, 'talk');
  return (await findAnyModel(call, id)) as TalkModel;
}

/** What ran an answer, as `system_fingerprint`: the same seed gives the same answer while it stays. FNV-1a of the model's description. */
export function fingerprintOf({ info }: Model): string {
  const text = [info.name, info.architecture, info.parameters, info.quantisation, info.kvType, info.deviceDescription].join('|');
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193) >>> 0;
  return `fp_${hash.toString(16).padStart(8, '0')}`;
}
