/** Ollama's options as the engine has them, and how long a model is to stay. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { Model } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { checkModelOf, findModel } from '../find-model.ts';
import { drawnFrom } from '../openai/decoding-parameters.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { AnswerParameters } from './option-parameters.ts';

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, 'µs': 1e-3, ns: 1e-6 };

/** `1h30m`, `-1`, or seconds, in milliseconds; Infinity for what is negative. @throws Failure (400) for another text */
export function keepAliveMs(keep: number | string | undefined): number | undefined {
  if (keep === undefined) return undefined;
  const seconds = typeof keep === 'number' || /^[-+]?\d+(\.\d+)?$/.test(keep) ? Number(keep) : undefined;
  if (seconds !== undefined) return seconds < 0 ? Infinity : seconds * 1000;
  const [, sign, parts] = /^([-+]?)((?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+)$/.exec(keep as string) ?? [];
  if (parts === undefined)
    throw invalid('keep_alive must be seconds, or a time as in 5m or 1h30m.', { param: 'keep_alive', code: 'invalid_value' });
  if (sign === '-') return Infinity;
  const found = [...parts.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g)];
  return found.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit as string] as number), 0);
}

/** Clients write `name:latest` where they are given `name`. */
export function ownName({ state: { models } }: Pick<Call, 'state'>, id: string): string {
  const plain = id.replace(/:latest$/, '');
  return models.names.includes(id) || !models.names.includes(plain) ? id : plain;
}

/** @throws Failure: 404, 403, and 409 for a model that stays */
export async function unloadModel(call: Call, id: string): Promise<void> {
  const name = ownName(call, id);
  call.figures.model = checkModelOf(call, name);
  await call.state.models.unload(name, call.signal);
}

/** @throws Failure as `findModel`, and for a context that the model does not have */
export async function findOllamaModel(call: Call, { model: id, keep_alive: keep, options = {} }: AnswerParameters): Promise<Model> {
  const model = await findModel(call, ownName(call, id), { idleMs: keepAliveMs(keep) });
  const { contextLength } = model.info;
  if (options.num_ctx !== undefined && options.num_ctx > contextLength)
    throw invalid(
      `options.num_ctx ${options.num_ctx} is more than the ${contextLength} tokens that the model is loaded with (--context).`,
      { param: 'options.num_ctx', code: 'unsupported_parameter' },
    );
  return model;
}

function formatOf(format: AnswerParameters['format']): AnswerRequest['format'] {
  if (format === undefined || format === '') return undefined;
  const schema: JsonObject = format === 'json' ? { type: 'object' } : (format as JsonObject);
  return { type: 'schema', schema, strict: false };
}

/** @throws Failure (400) for what contradicts itself */
export function answerOptions({ options = {}, ...parameters }: AnswerParameters): Omit<AnswerRequest, 'prompt' | 'ids' | 'messages'> {
  const { logprobs, top_logprobs: top } = parameters;
  if (top !== undefined && logprobs !== true)
    throw invalid('top_logprobs is only for requests with logprobs true.', { param: 'top_logprobs', code: 'invalid_value' });
  const { num_predict: most = -1, stop = [] } = options;
  return {
    maxTokens: most < 0 ? undefined : most,
    stop: stop.length === 0 ? undefined : stop,
    seed: options.seed,
    temperature: options.temperature,
    ...drawnFrom(options),
    minP: options.min_p,
    repetitionPenalty: options.repeat_penalty,
    presencePenalty: options.presence_penalty,
    frequencyPenalty: options.frequency_penalty,
    logprobs: logprobs === true ? (top ?? 0) : undefined,
    format: formatOf(parameters.format),
  };
}
