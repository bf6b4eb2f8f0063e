/** `/v1/models`: the models that requests may name. */
import type { Model } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { findModel } from '../find-model.ts';

function entryOf(id: string, { info }: Model, created: number) {
  return {
    id, object: 'model', created, owned_by: 'ingot', max_model_len: info.contextLength,
    ...(info.embedding === undefined ? {} : { embedding_dimensions: info.embedding.dimensions }),
  };
}

export function listModels({ state: { models, createdAt }, holder }: Call): Response {
  const seen = [...models].filter(([id]) => holder?.limits.models?.includes(id) ?? true);
  return Response.json({ object: 'list', data: seen.map(([id, model]) => entryOf(id, model, createdAt)) });
}

export function showModel(call: Call): Response {
  const id = call.pathParameters['id'] ?? '';
  return Response.json(entryOf(id, findModel(call, id), call.state.createdAt));
}
