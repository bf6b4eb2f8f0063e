/** `/api/embed`, and its older form `/api/embeddings`. */
import type { Call } from '../call.ts';
import { findModel } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import { typed } from '../openai/decoding-parameters.ts';
import { checkTexts, makeVectors } from '../openai/embeddings.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { keepAliveMs, ownName } from './answer-options.ts';
import { KEEP_ALIVE } from './option-parameters.ts';

interface EmbedParameters {
  readonly model: string;
  readonly input?: string | readonly string[];
  readonly prompt?: string;
  readonly dimensions?: number;
  readonly keep_alive?: number | string;
}

const COMMON: ParameterTable = {
  model: MODEL_PARAMETER,
  keep_alive: KEEP_ALIVE,
  options: { refused: 'nothing of an embedding is chosen; leave it out.', neutral: [{}] },
};

export const EMBED_PARAMETERS: ParameterTable = {
  ...COMMON,
  input: {
    schema: { anyOf: [{ type: 'string', minLength: 1 }, { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 }] },
    isRequired: true,
    about: 'A text, or several.',
  },
  dimensions: { schema: { type: 'integer', minimum: 1 }, about: "Keeps the first of a vector's numbers, as a unit vector again." },
  truncate: { refused: 'texts are read whole, and refused where they do not fit; shorten them.', neutral: [false] },
};

export const OLD_EMBED_PARAMETERS: ParameterTable = {
  ...COMMON, prompt: { schema: { type: 'string', minLength: 1 }, isRequired: true, about: 'The text.' },
};

async function vectorsOf(call: Call, texts: readonly string[]) {
  const { model: id, dimensions, keep_alive: keep } = typed<EmbedParameters>(call.parameters);
  checkTexts(call, texts.length, 'input');
  const model = await findModel(call, ownName(call, id), { idleMs: keepAliveMs(keep) });
  const loadMs = performance.now() - call.startedAt;
  const { vectors, tokens } = await makeVectors(call, model, { id, texts, dimensions });
  return { id, loadMs, tokens, embeddings: vectors.map((vector) => [...vector]) };
}

export async function ollamaEmbed(call: Call): Promise<Response> {
  const { input = [] } = typed<EmbedParameters>(call.parameters);
  const { id, embeddings, loadMs, tokens } = await vectorsOf(call, typeof input === 'string' ? [input] : input);
  return Response.json({
    model: id, embeddings, total_duration: Math.round((performance.now() - call.startedAt) * 1e6),
    load_duration: Math.round(loadMs * 1e6), prompt_eval_count: tokens,
  });
}

export async function ollamaOldEmbed(call: Call): Promise<Response> {
  const { prompt = '' } = typed<EmbedParameters>(call.parameters);
  const { embeddings } = await vectorsOf(call, [prompt]);
  return Response.json({ embedding: embeddings[0] });
}
