/** `/tokenize` and `/detokenize`, in vLLM's form. */
import type { Model } from '../../engine/api.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { findModel } from '../find-model.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { typed } from './decoding-parameters.ts';

const MODEL = { schema: { type: 'string', minLength: 1, maxLength: 500 }, isRequired: true } as const;

interface TokenizeParameters {
  readonly model: string;
  readonly prompt: string;
  readonly add_special_tokens?: boolean;
  readonly return_token_strs?: boolean;
}

interface DetokenizeParameters {
  readonly model: string;
  readonly tokens: readonly number[];
}

export const TOKENIZE_PARAMETERS: ParameterTable = {
  model: MODEL,
  prompt: { schema: { type: 'string' }, isRequired: true },
  add_special_tokens: { schema: { type: 'boolean' }, about: 'What the model has around a text. Default true.' },
  return_token_strs: { schema: { type: 'boolean' } },
};

export const DETOKENIZE_PARAMETERS: ParameterTable = {
  model: MODEL,
  tokens: { schema: { type: 'array', items: { type: 'integer', minimum: 0 }, maxItems: 10_000_000 }, isRequired: true },
};

function tokenizerOf({ tokenizer }: Model): Tokenizer {
  if (tokenizer === undefined) throw invalid('The model has no tokenizer.', { param: 'model', code: 'unsupported_model' });
  return tokenizer;
}

/** Tokens a text has at most, as its bytes: longer ones than this many contexts would keep the server from its other work. */
const MOST_CONTEXTS = 4;
const BYTES_OF_TOKEN = 8;

export async function tokenize(call: Call): Promise<Response> {
  const parameters = typed<TokenizeParameters>(call.parameters);
  const { model: id, prompt, add_special_tokens: addSpecial = true, return_token_strs: hasTexts } = parameters;
  const model = await findModel(call, id);
  const tokenizer = tokenizerOf(model);
  const most = model.info.contextLength * MOST_CONTEXTS * BYTES_OF_TOKEN;
  if (prompt.length > most)
    throw invalid(`prompt has ${prompt.length} characters; at most ${most} are taken, by the model's context.`, {
      param: 'prompt', code: 'too_long',
    });
  const tokens = tokenizer.encode(prompt, { addSpecial });
  return Response.json({
    count: tokens.length, max_model_len: model.info.contextLength, tokens,
    ...(hasTexts === true ? { token_strs: tokens.map((token) => tokenizer.tokenText(token)) } : {}),
  });
}

export async function detokenize(call: Call): Promise<Response> {
  const { model: id, tokens } = typed<DetokenizeParameters>(call.parameters);
  const tokenizer = tokenizerOf(await findModel(call, id));
  const bad = tokens.findIndex((token) => token >= tokenizer.vocabSize);
  if (bad >= 0)
    throw invalid(`tokens[${bad}] must be an id below ${tokenizer.vocabSize}, found ${tokens[bad]}.`, {
      param: `tokens[${bad}]`, code: 'invalid_value',
    });
  return Response.json({ prompt: tokenizer.decode(tokens) });
}
