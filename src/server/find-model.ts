/** The model that a request names. */
import type { Model } from '../engine/api.ts';
import type { Call } from './call.ts';
import { Failure } from './failure.ts';

/** @throws Failure (403) for a model that the request's key may not ask */
export function checkModelOf({ holder }: Call, id: string): void {
  const { models } = holder?.limits ?? {};
  if (models === undefined || models.includes(id)) return;
  throw new Failure(`This key may not ask the model ${JSON.stringify(id)}. It may ask ${models.join(', ')}.`, {
    status: 403, type: 'permission_error', code: 'model_not_allowed', param: 'model',
  });
}

/** @throws Failure (404) that names the models there are, and as {@link checkModelOf} */
export function findModel(call: Call, id: string): Model {
  const { models } = call.state;
  const model = models.get(id);
  if (model === undefined)
    throw new Failure(`There is no model ${JSON.stringify(id.slice(0, 100))} here. There is ${[...models.keys()].join(', ')}.`, {
      status: 404, code: 'model_not_found', param: 'model',
    });
  checkModelOf(call, id);
  call.figures.model = id;
  return model;
}

/** What ran an answer, as `system_fingerprint`: the same seed gives the same answer while it stays. FNV-1a of the model's description. */
export function fingerprintOf({ info }: Model): string {
  const text = [info.name, info.architecture, info.parameters, info.quantisation, info.kvType, info.deviceDescription].join('|');
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193) >>> 0;
  return `fp_${hash.toString(16).padStart(8, '0')}`;
}
