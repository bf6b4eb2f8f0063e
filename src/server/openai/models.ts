/** `/v1/models`: the models that requests may name, and which of them are loaded. */
import type { Model } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { checkModelOf, findAnyModel, mayAsk } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ModelState } from '../model-pool/model-pool.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { typed } from './decoding-parameters.ts';

export const LOAD_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
};

function entryOf(id: string, state: ModelState, created: number) {
  const { name, kind, aliases, status, isPinned, model, memoryBytes, users, waiting, idleUntil } = state;
  const loaded = kind === 'text' ? (model as Model | undefined) : undefined;
  const { contextLength, embedding, deviceDescription } = loaded?.info ?? {};
  return {
    id, object: 'model', created, owned_by: 'ingot', kind, status, pinned: isPinned,
    ...(id === name ? { aliases } : { alias_of: name }),
    memory_bytes: memoryBytes, requests: users, waiting,
    ...(idleUntil === undefined ? {} : { unload_at: Math.ceil(idleUntil / 1000) }),
    ...(contextLength === undefined ? {} : { max_model_len: contextLength }),
    ...(loaded === undefined ? {} : {
      device: deviceDescription, input_modalities: loaded.vision === undefined ? ['text'] : ['text', 'image'],
    }),
    ...(embedding === undefined ? {} : { embedding_dimensions: embedding.dimensions }),
  };
}

function described({ state: { models, createdAt } }: Call, id: string) {
  return entryOf(id, models.describe(id), createdAt);
}

export function listModels(call: Call): Response {
  const { models, createdAt } = call.state;
  const states = models.names.map((name) => models.describe(name));
  const named = states.flatMap((one) => [one.name, ...one.aliases].map((id) => [id, one] as const));
  const seen = named.filter(([id, { name }]) => mayAsk(call, id, name));
  return Response.json({ object: 'list', data: seen.map(([id, one]) => entryOf(id, one, createdAt)) });
}

export function showModel(call: Call): Response {
  const id = call.pathParameters['id'] ?? '';
  call.figures.model = checkModelOf(call, id);
  return Response.json(described(call, id));
}

export async function loadModel(call: Call): Promise<Response> {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  await findAnyModel(call, id);
  // What it tells of the model's requests is not to have this one.
  for (const done of call.atEnd.splice(0)) done();
  return Response.json(described(call, id));
}

export async function unloadModel(call: Call): Promise<Response> {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  call.figures.model = checkModelOf(call, id);
  await call.state.models.unload(id, call.signal);
  return Response.json(described(call, id));
}
