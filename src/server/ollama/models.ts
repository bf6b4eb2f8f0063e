/** What Ollama's clients ask of models: `/api/tags`, `/api/show`, `/api/ps`, `/api/version`; and what is not there. */
import type { Model } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { checkKind, mayAsk } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ModelState } from '../model-pool/model-pool.ts';
import { sha256Hex } from '../sha256-hex.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { ownName } from './answer-options.ts';


/** Of Ollama, whose requests are understood. */
const API_VERSION = '0.13.0';

function parametersText(parameters: number): string {
  return parameters >= 1e9 ? `${(parameters / 1e9).toFixed(1)}B` : `${(parameters / 1e6).toFixed(1)}M`;
}

/** A model of text. */
type TextState = ModelState & { readonly model: Model | undefined };

/** Of a model that is not loaded no more is known than its name. */
function detailsOf(model: Model | undefined) {
  const { architecture = '', parameters, quantisation = '' } = model?.info ?? {};
  return {
    parent_model: '', format: 'gguf', family: architecture, families: architecture === '' ? [] : [architecture],
    parameter_size: parameters === undefined ? '' : parametersText(parameters),
    quantization_level: (quantisation.split(',')[0] ?? '').toUpperCase(),
  };
}

/**
 * Ollama's own client shows twelve digits of the digest, and breaks where there are none. Files are not hashed for it: it is of the
 * model's own name, so that aliases have the same one.
 */
async function entryOf(id: string, { name, model, memoryBytes }: TextState, { createdAt }: Call['state']) {
  return {
    name: id, model: id, modified_at: new Date(createdAt * 1000).toISOString(), size: model?.info.sizeBytes ?? memoryBytes,
    digest: await sha256Hex(name),
    details: detailsOf(model),
  };
}

/** Names and aliases of models of text that the request's key may ask: its clients offer all that is listed for chats. */
function seenBy(call: Call): (readonly [id: string, state: TextState])[] {
  const { models } = call.state;
  const states = models.names.map((name) => models.describe(name)).filter((state): state is TextState => state.kind === 'text');
  const named = states.flatMap((one) => [one.name, ...one.aliases].map((id) => [id, one] as const));
  return named.filter(([id, { name }]) => mayAsk(call, id, name));
}

export async function ollamaTags(call: Call): Promise<Response> {
  return Response.json({ models: await Promise.all(seenBy(call).map(([id, state]) => entryOf(id, state, call.state))) });
}

export async function ollamaPs(call: Call): Promise<Response> {
  const loaded = seenBy(call).filter(([id, { name, status }]) => id === name && status === 'loaded');
  const models = loaded.map(async ([id, state]) => {
    const { memory, contextLength, device } = (state.model as Model).info;
    const size = memory.weightBytes + memory.kvBytes + memory.workBytes;
    return {
      ...(await entryOf(id, state, call.state)), size, size_vram: device === 'gpu' ? size : 0, context_length: contextLength,
      // Of what stays, a time that does not come.
      expires_at: new Date(state.idleUntil ?? Date.UTC(9999, 11, 31)).toISOString(),
    };
  });
  return Response.json({ models: await Promise.all(models) });
}

export function ollamaVersion(): Response {
  return Response.json({ version: API_VERSION });
}

export const SHOW_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  verbose: { schema: { type: 'boolean' }, about: 'Nothing to do: vocabularies are not shown.' },
  system: { refused: 'a model is shown as it is; leave it out.', neutral: [''] },
  template: { refused: 'a model is shown as it is; leave it out.', neutral: [''] },
  options: { refused: 'a model is shown as it is; leave it out.', neutral: [{}] },
};

function capabilitiesOf(model: Model | undefined): readonly string[] {
  if (model === undefined) return [];
  return model.info.embedding === undefined ? ['completion'] : ['embedding'];
}

function parameterLines(model: Model | undefined): string {
  const { temperature, topK, topP, minP, repetitionPenalty } = model?.info.samplingDefaults ?? {};
  const all = { temperature, top_k: topK, top_p: topP, min_p: minP, repeat_penalty: repetitionPenalty };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`])).join('\n');
}

/** Does not load it, since clients ask it of every model. */
export function ollamaShow(call: Call): Response {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  checkKind(call, ownName(call, id), 'text');
  const { model } = call.state.models.describe(ownName(call, id)) as TextState;
  const { architecture = '', parameters, modelContextLength, vocabSize, embedding } = model?.info ?? {};
  const info = model === undefined
    ? {}
    : {
        'general.architecture': architecture, 'general.parameter_count': parameters,
        [`${architecture}.context_length`]: modelContextLength, [`${architecture}.vocab_size`]: vocabSize,
        ...(embedding === undefined ? {} : { [`${architecture}.embedding_length`]: embedding.dimensions }),
      };
  return Response.json({
    license: '', modelfile: '', parameters: parameterLines(model), template: '', system: '', messages: [],
    details: detailsOf(model), model_info: info, capabilities: capabilitiesOf(model),
    modified_at: new Date(call.state.createdAt * 1000).toISOString(),
  });
}

/** The server has the models that it was started with. @throws Failure (400) that says how to have others */
export function refuseChange(): never {
  throw invalid('Models are not pushed, made, copied or deleted here: start the server with their files, ingot serve NAME=PATH.', {
    code: 'unsupported_route',
  });
}
