/** `/api/generate`: one prompt. */
import type { ChatMessage } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { runGeneration } from '../run-generation.ts';
import type { AnswerRequest } from '../run-generation.ts';
import { contentOf, IMAGES } from './image-content.ts';
import { answerOptions, findOllamaModel, keepAliveMs, unloadModel } from './answer-options.ts';
import { loadedAnswer, respond } from './answer-lines.ts';
import type { Said } from './answer-lines.ts';
import { ANSWER_PARAMETERS } from './option-parameters.ts';
import type { AnswerParameters } from './option-parameters.ts';

interface GenerateParameters extends AnswerParameters {
  readonly prompt?: string;
  readonly suffix?: string;
  readonly system?: string;
  readonly raw?: boolean;
  readonly images?: readonly string[] | null;
}

const TEXT = { schema: { type: 'string' } } as const;
const NO_IMAGES = 'the server makes no images; leave it out.';

export const OLLAMA_GENERATE_PARAMETERS: ParameterTable = {
  ...ANSWER_PARAMETERS,
  prompt: { ...TEXT, about: 'None: the model is loaded, or freed where keep_alive is 0.' },
  suffix: { ...TEXT, about: 'The answer is the text between prompt and suffix; refused for a model that was not taught that.' },
  system: { ...TEXT, about: 'The message before the prompt.' },
  raw: { schema: { type: 'boolean' }, about: 'The prompt as it is, without the chat template.' },
  template: { refused: "the model's own is obeyed; send a prompt that is written by yours with raw.", neutral: [''] },
  context: { refused: 'send the conversation as messages to /api/chat; what is alike is not computed again.', neutral: [[]] },
  images: { schema: IMAGES, about: 'Files in base64, before the prompt; refused where the model sees none.' },
  width: { refused: NO_IMAGES },
  height: { refused: NO_IMAGES },
  steps: { refused: NO_IMAGES },
};

/** @throws Failure (400) for what raw and suffix leave no place for */
function promptOf({ prompt = '', suffix = '', system = '', raw, think, images }: GenerateParameters): AnswerRequest {
  const isPlain = raw === true || suffix !== '';
  const why = raw === true ? 'raw passes the chat template by' : 'a text before a suffix passes the chat template by';
  const refused = system !== '' ? 'system' : think !== undefined ? 'think' : images?.length ? 'images' : undefined;
  if (isPlain && refused !== undefined)
    throw invalid(`${refused} goes into the chat template, and ${why}.`, { param: refused, code: 'invalid_value' });
  if (suffix !== '') return { prompt, suffix };
  if (isPlain) return { prompt };
  const messages: ChatMessage[] = system === '' ? [] : [{ role: 'system', content: system }];
  return { messages: [...messages, { role: 'user', content: contentOf(prompt, images) }], reasoning: think };
}

function textOf({ content, thinking }: Said) {
  return { response: content, ...(thinking === '' ? {} : { thinking }) };
}

export async function ollamaGenerate(call: Call): Promise<Response> {
  const parameters = typed<GenerateParameters>(call.parameters);
  const { model: name, prompt = '', suffix = '', keep_alive: keep } = parameters;
  const isEmpty = prompt === '' && suffix === '';
  if (isEmpty && keepAliveMs(keep) === 0) {
    await unloadModel(call, name);
    return loadedAnswer(name, textOf, 'unload');
  }
  const request = { ...answerOptions(parameters), ...(isEmpty ? {} : promptOf(parameters)) };
  const model = await findOllamaModel(call, parameters);
  const loadMs = performance.now() - call.startedAt;
  if (isEmpty) return loadedAnswer(name, textOf, 'load');
  const pieces = runGeneration(call, model, [{ ...request, fillsContext: true }]);
  const hasLogprobs = parameters.logprobs === true;
  return respond({ call, model, name, pieces, loadMs, hasLogprobs, body: textOf }, parameters.stream !== false);
}
