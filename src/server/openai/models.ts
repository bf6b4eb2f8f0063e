/** `/v1/models`: the models that requests may name, and which of them are loaded. */
import type { Model } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { checkModelOf, findAnyModel, mayAsk } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ModelRoom, ModelState } from '../model-pool/model-pool.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { typed } from './decoding-parameters.ts';

export const LOAD_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
};

function entryOf(id: string, state: ModelState, { created, room }: { readonly created: number; readonly room: ModelRoom | undefined }) {
  const { name, kind, aliases, status, isPinned, model, memoryBytes, users, waiting, idleUntil } = state;
  const loaded = kind === 'text' ? (model as Model | undefined) : undefined;
  const { contextLength, embedding, deviceDescription } = loaded?.info ?? {};
  return {
    id, object: 'model', created, owned_by: 'ingot', kind, status, pinned: isPinned,
    ...(id === name ? { aliases } : { alias_of: name }),
    memory_bytes: memoryBytes, ...(room === undefined ? {} : { needed_bytes: room.bytes, fits: room.fits }), requests: users, waiting,
    ...(idleUntil === undefined ? {} : { unload_at: Math.ceil(idleUntil / 1000) }),
    ...(contextLength === undefined ? {} : { max_model_len: contextLength }),
    ...(loaded === undefined ? {} : {
      device: deviceDescription, input_modalities: loaded.vision === undefined ? ['text'] : ['text', 'image'],
    }),
    ...(embedding === undefined ? {} : { embedding_dimensions: embedding.dimensions }),
  };
}

/** A model's entry, as lists have it. */
export async function describedModel({ state: { models, createdAt: created } }: Call, id: string) {
  return entryOf(id, models.describe(id), { created, room: await models.roomOf(id) });
}

/** Null where whoever asks may download none. */
function downloadsOf({ holder, state: { downloads, models } }: Call) {
  if (downloads === undefined || holder?.limits.models !== undefined) return null;
  return { memory_bytes: models.memoryBytes === Infinity ? null : models.memoryBytes };
}

export async function listModels(call: Call): Promise<Response> {
  const { models } = call.state;
  const states = models.names.map((name) => models.describe(name));
  const named = states.flatMap((one) => [one.name, ...one.aliases].map((id) => [id, one] as const));
  const seen = named.filter(([id, { name }]) => mayAsk(call, id, name));
  const data = await Promise.all(seen.map(([id]) => describedModel(call, id)));
  return Response.json({ object: 'list', data, downloads: downloadsOf(call) });
}

export async function showModel(call: Call): Promise<Response> {
  const id = call.pathParameters['id'] ?? '';
  call.figures.model = checkModelOf(call, id);
  return Response.json(await describedModel(call, id));
}

export async function loadModel(call: Call): Promise<Response> {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  await findAnyModel(call, id);
  // What it tells of the model's requests is not to have this one.
  for (const done of call.atEnd.splice(0)) done();
  return Response.json(await describedModel(call, id));
}

export async function unloadModel(call: Call): Promise<Response> {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  call.figures.model = checkModelOf(call, id);
  await call.state.models.unload(id, call.signal);
  return Response.json(await describedModel(call, id));
}
