/** A call of the AI SDK as the body of a chat completion: what the route does not obey, it refuses by name. */
import { imagePart } from '../../engine/images/image-source.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';
import { imageUrlPart } from '../images/request-content.ts';
import type { LanguageCallOptions, PromptMessage, PromptPart, ProviderTool } from './api.ts';

function unsupported(part: PromptPart, role: string): InputError {
  return new InputError(
    `A part of the type ${describeValue(part.type)} in a message of the ${role} cannot be read here: models read text, and of users ` +
      'images.',
  );
}

function textsOf(parts: readonly PromptPart[], type: string): string {
  return parts.flatMap((part) => (part.type === type ? [part.text ?? ''] : [])).join('');
}

/** An image's part; undefined for another file: what lies in the web the SDK fetches itself. What kind of image it is its bytes say. */
function imageOf({ type, mediaType = '', data }: PromptPart): object | undefined {
  if (type !== 'file' || !/^image(\/|$)/.test(mediaType)) return undefined;
  if (data?.type !== 'data') return undefined;
  return typeof data.data === 'string' ? imageUrlPart(`data:image/*;base64,${data.data}`) : imagePart(data.data);
}

function userMessage(parts: readonly PromptPart[]): object {
  const content = parts.map((part) => {
    const own = part.type === 'text' ? { type: 'text', text: part.text } : imageOf(part);
    if (own === undefined) throw unsupported(part, 'user');
    return own;
  });
  return { role: 'user', content };
}

function assistantMessage(parts: readonly PromptPart[]): object {
  for (const part of parts) if (!['text', 'reasoning', 'tool-call'].includes(part.type)) throw unsupported(part, 'assistant');
  const calls = parts.filter(({ type }) => type === 'tool-call');
  const reasoning = textsOf(parts, 'reasoning');
  return {
    role: 'assistant', content: textsOf(parts, 'text'),
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ toolCallId: id, toolName: name, input }) => ({
            id, type: 'function', function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input ?? {}) },
          })),
        }),
  };
}

function resultText(part: PromptPart): string {
  const { type, value, reason } = part.output ?? { type: 'nothing' };
  switch (type) {
    case 'text':
    case 'error-text':
      return String(value);
    case 'json':
    case 'error-json':
      return JSON.stringify(value);
    case 'execution-denied':
      return reason ?? 'The call was not allowed.';
    case 'content': {
      const parts = value as readonly PromptPart[];
      for (const one of parts) if (one.type !== 'text') throw unsupported(one, 'tool');
      return textsOf(parts, 'text');
    }
    default:
      throw unsupported({ type }, 'tool');
  }
}

function toolMessages(parts: readonly PromptPart[]): object[] {
  // Whether a call was allowed is said by its result.
  return parts.filter(({ type }) => type !== 'tool-approval-response').map((part) => {
    if (part.type !== 'tool-result') throw unsupported(part, 'tool');
    return { role: 'tool', tool_call_id: part.toolCallId, content: resultText(part) };
  });
}

function messagesOf(prompt: readonly PromptMessage[]): object[] {
  return prompt.flatMap(({ role, content }) => {
    if (typeof content === 'string') return [{ role, content }];
    if (role === 'user') return [userMessage(content)];
    return role === 'assistant' ? [assistantMessage(content)] : toolMessages(content);
  });
}

function toolOf({ type, name, description, inputSchema, strict }: ProviderTool): object {
  if (type !== 'function')
    throw new InputError(`The tool ${describeValue(name)} is one of another provider's: only functions can be called here.`);
  return { type, function: { name, description, parameters: inputSchema, ...(strict === true ? { strict } : {}) } };
}

function formatOf(format: LanguageCallOptions['responseFormat']): object | undefined {
  if (format === undefined || format.type === 'text') return undefined;
  const { schema, name = 'answer' } = format;
  return schema === undefined ? { type: 'json_object' } : { type: 'json_schema', json_schema: { name, schema } };
}

function choiceOf(choice: LanguageCallOptions['toolChoice']): unknown {
  return choice?.type === 'tool' ? { type: 'function', function: { name: choice.toolName } } : choice?.type;
}

/** @throws InputError for files that are no images, and for tools of other providers */
export function chatBody(modelId: string, options: LanguageCallOptions): object {
  const { tools = [], stopSequences = [], reasoning, providerOptions } = options;
  return {
    model: modelId,
    messages: messagesOf(options.prompt),
    max_completion_tokens: options.maxOutputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    presence_penalty: options.presencePenalty,
    frequency_penalty: options.frequencyPenalty,
    seed: options.seed,
    stop: stopSequences.length === 0 ? undefined : stopSequences,
    response_format: formatOf(options.responseFormat),
    ...(tools.length === 0 ? {} : { tools: tools.map(toolOf), tool_choice: choiceOf(options.toolChoice) }),
    reasoning_effort: reasoning === 'provider-default' ? undefined : reasoning,
    ...providerOptions?.['ingot'],
  };
}
