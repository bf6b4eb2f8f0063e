/** `/v1/embeddings`. */
import type { EmbedInput, Model } from '../../engine/api.ts';
import { countPrompt } from '../answer-counter.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { findModel } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';
import { typed } from './decoding-parameters.ts';

const IDS: Schema = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 1 };

interface EmbeddingParameters {
  readonly model: string;
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly dimensions?: number;
  readonly encoding_format?: 'float' | 'base64';
  readonly user?: string;
}

export const EMBEDDING_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  input: {
    schema: {
      anyOf: [
        { type: 'string', minLength: 1 }, IDS, { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
        { type: 'array', items: IDS, minItems: 1 },
      ],
    },
    isRequired: true,
    about: 'A text, token ids, or several of one kind.',
  },
  dimensions: { schema: { type: 'integer', minimum: 1 }, about: "Keeps the first of a vector's numbers, as a unit vector again." },
  encoding_format: { schema: { enum: ['float', 'base64'] }, about: 'base64: of 32-bit floats, the lowest byte first. Default float.' },
  user: { schema: { type: 'string', maxLength: 1000 }, about: 'Stands in the record of the request.' },
};

/** @throws Failure (400) for more texts than the server takes */
export function checkTexts(call: Call, count: number, param: string): void {
  const { texts } = call.state.limits;
  if (count > texts)
    throw invalid(`${param} has ${count} entries; this server takes ${texts} at once.`, { param, code: 'too_many' });
}

function inputsOf(input: EmbeddingParameters['input']): readonly EmbedInput[] {
  if (typeof input === 'string') return [input];
  return input.every((one) => typeof one === 'number') ? [input as readonly number[]] : (input as readonly EmbedInput[]);
}

function base64Of(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [index, value] of vector.entries()) view.setFloat32(index * 4, value, true);
  let binary = '';
  for (let at = 0; at < view.byteLength; at++) binary += String.fromCharCode(view.getUint8(at));
  return btoa(binary);
}

interface VectorsWanted {
  /** As the request names the model. */
  readonly id: string;
  readonly texts: readonly EmbedInput[];
  readonly dimensions?: number | undefined;
}

/** Vectors of texts, whose tokens count for the call. @throws Failure for a model that predicts tokens */
export async function makeVectors(call: Call, model: Model, { id, texts, dimensions }: VectorsWanted) {
  if (model.info.embedding === undefined)
    throw invalid(`The model ${id} makes no embeddings: it predicts tokens.`, { param: 'model', code: 'unsupported_model' });
  let tokens = 0;
  const onProgress = ({ total }: { readonly total?: number | undefined }) => void (tokens = total ?? 0);
  const vectors = await model.embed(texts, { dimensions, signal: call.signal, onProgress });
  countPrompt(call, { promptTokens: tokens, cachedTokens: 0 });
  return { vectors, tokens };
}

export async function embeddings(call: Call): Promise<Response> {
  const { model: id, input, dimensions, encoding_format: format, user } = typed<EmbeddingParameters>(call.parameters);
  const model = await findModel(call, id);
  call.figures.user = user;
  const texts = inputsOf(input);
  checkTexts(call, texts.length, 'input');
  const { vectors, tokens } = await makeVectors(call, model, { id, texts, dimensions });
  return Response.json({
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding', index, embedding: format === 'base64' ? base64Of(vector) : [...vector],
    })),
    model: id,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}
