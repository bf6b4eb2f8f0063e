/** `/tokenize` and `/detokenize`, in vLLM's form. */
import type { Model } from '../../engine/api.ts';
import { hasImages } from '../../engine/images/see-messages.ts';
import type { JsonValue } from '../../tensor/checkpoint.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { findModel, mayAsk } from '../find-model.ts';
import type { Parameter, ParameterTable } from '../parameter-table.ts';
import { engineMessages } from './chat-message.ts';
import { MESSAGES } from './chat-parameters.ts';
import type { RequestMessage } from './chat-parameters.ts';
import { typed } from './decoding-parameters.ts';
import { TOOL_PARAMETERS, toolOptions } from './tools.ts';
import type { RequestTools } from './tools.ts';

const MODEL = { schema: { type: 'string', minLength: 1, maxLength: 500 }, about: 'May be left out where there is one.' } as const;

interface TokenizeParameters {
  readonly model?: string;
  readonly prompt?: string;
  readonly messages?: readonly RequestMessage[];
  readonly tools?: RequestTools['tools'];
  readonly chat_template_kwargs?: Readonly<Record<string, JsonValue>>;
  readonly add_special_tokens?: boolean;
  readonly return_token_strs?: boolean;
}

interface DetokenizeParameters {
  readonly model?: string;
  readonly tokens: readonly number[];
}

export const TOKENIZE_PARAMETERS: ParameterTable = {
  model: MODEL,
  prompt: { schema: { type: 'string' }, about: 'Or messages.' },
  messages: { schema: MESSAGES, about: 'A conversation, as it is in a chat: the tokens that the model would read.' },
  tools: { ...(TOOL_PARAMETERS['tools'] as Parameter), about: 'Only with messages.' },
  chat_template_kwargs: { schema: { type: 'object' }, about: 'Only with messages: variables of the chat template.' },
  add_generation_prompt: { refused: 'the beginning of the answer is always there, as in a chat; leave it out.', neutral: [true] },
  continue_final_message: { refused: 'a last message of the assistant is gone on with by itself; leave it out.', neutral: [false] },
  chat_template: { refused: "the model's own is obeyed; leave it out." },
  add_special_tokens: { schema: { type: 'boolean' }, about: 'What the model has around a text. Default true. Not with messages.' },
  return_token_strs: { schema: { type: 'boolean' }, about: "The tokens' texts beside their ids." },
};

export const DETOKENIZE_PARAMETERS: ParameterTable = {
  model: MODEL,
  tokens: {
    schema: { type: 'array', items: { type: 'integer', minimum: 0 }, maxItems: 10_000_000 }, isRequired: true, about: 'Token ids.',
  },
};

function tokenizerOf({ info, tokenizer }: Model): Tokenizer {
  if (!info.hasTokenizer) throw invalid('The model has no tokenizer.', { param: 'model', code: 'unsupported_model' });
  return tokenizer;
}

/** The model that is named; without a name the one that there is to ask. @throws Failure (400) where there are several, and as findModel */
function findTokenizing(call: Call, id: string | undefined): Promise<Model> {
  const { models } = call.state;
  const own = models.names.filter((name) => models.describe(name).kind === 'text' && mayAsk(call, name, name));
  const [only] = own;
  if (id !== undefined || only === undefined) return findModel(call, id ?? '');
  if (own.length === 1) return findModel(call, only);
  throw invalid('Missing required parameter: model. Several are served.', { param: 'model', code: 'missing_required_parameter' });
}

/** Tokens a text has at most, as its bytes: longer ones than this many contexts would keep the server from its other work. */
const MOST_CONTEXTS = 4;
const BYTES_OF_TOKEN = 8;

/** @throws Failure (400) for a text that is far too long */
function checkLength(characters: number, param: string, { info }: Model): void {
  const most = info.contextLength * MOST_CONTEXTS * BYTES_OF_TOKEN;
  if (characters > most)
    throw invalid(`${param} has ${characters} characters; at most ${most} are taken, by the model's context.`, { param, code: 'too_long' });
}

/** @throws Failure (400) for a text and a conversation at once, for neither, and for what only one of them has */
function checkTogether(parameters: TokenizeParameters): void {
  const { prompt, messages } = parameters;
  if (prompt === undefined && messages === undefined)
    throw invalid('Missing required parameter: prompt or messages.', { param: 'prompt', code: 'missing_required_parameter' });
  const refuse = (param: string, other: string) => {
    throw invalid(`${param} is not for requests with ${other}.`, { param, code: 'invalid_value' });
  };
  if (messages === undefined) {
    for (const param of ['tools', 'chat_template_kwargs'] as const) if (parameters[param] !== undefined) refuse(param, 'prompt');
    return;
  }
  if (prompt !== undefined) refuse('prompt', 'messages');
  if (parameters.add_special_tokens === true) refuse('add_special_tokens', 'messages: the chat template has such tokens itself');
}

/** The tokens that a model would read. */
function tokensOf(parameters: TokenizeParameters, model: Model, tokenizer: Tokenizer): readonly number[] {
  const { prompt = '', messages, tools, chat_template_kwargs: templateVariables, add_special_tokens: addSpecial = true } = parameters;
  if (messages === undefined) {
    checkLength(prompt.length, 'prompt', model);
    return tokenizer.encode(prompt, { addSpecial });
  }
  const asked = engineMessages(messages);
  if (hasImages(asked))
    throw invalid('Images have no token ids; /v1/messages/count_tokens counts them.', { param: 'messages', code: 'invalid_value' });
  checkLength(JSON.stringify(messages).length, 'messages', model);
  return model.promptIds({ messages: asked, templateVariables, ...toolOptions(tools ? { tools } : {}) });
}

export async function tokenize(call: Call): Promise<Response> {
  const parameters = typed<TokenizeParameters>(call.parameters);
  checkTogether(parameters);
  const model = await findTokenizing(call, parameters.model);
  const tokenizer = tokenizerOf(model);
  const tokens = tokensOf(parameters, model, tokenizer);
  return Response.json({
    count: tokens.length, max_model_len: model.info.contextLength, tokens,
    ...(parameters.return_token_strs === true ? { token_strs: tokens.map((token) => tokenizer.tokenText(token)) } : {}),
  });
}

export async function detokenize(call: Call): Promise<Response> {
  const { model: id, tokens } = typed<DetokenizeParameters>(call.parameters);
  const tokenizer = tokenizerOf(await findTokenizing(call, id));
  const bad = tokens.findIndex((token) => token >= tokenizer.vocabSize);
  if (bad >= 0)
    throw invalid(`tokens[${bad}] must be an id below ${tokenizer.vocabSize}, found ${tokens[bad]}.`, {
      param: `tokens[${bad}]`, code: 'invalid_value',
    });
  return Response.json({ prompt: tokenizer.decode(tokens) });
}
