/** The input of a response as messages of a chat. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { invalid } from '../failure.ts';
import { imageUrlPart } from '../images/request-content.ts';
import type { RequestContent } from '../images/request-content.ts';
import type { RequestMessage } from '../openai/chat-parameters.ts';
import type { RequestTools } from '../openai/tools.ts';
import { textOfContent } from '../text-of-content.ts';
import type { InputItem, ResponseParameters } from './response-parameters.ts';

type Draft = { -readonly [Name in keyof RequestMessage]: RequestMessage[Name] };

/** What an assistant thinks, says and calls are items of their own here, and one message for chat templates. */
function assistantOf(messages: Draft[]): Draft {
  const last = messages.at(-1);
  if (last?.role === 'assistant') return last;
  const draft: Draft = { role: 'assistant', content: '' };
  messages.push(draft);
  return draft;
}

type MessageItem = Extract<InputItem, { readonly role: string }>;

/** @throws Failure (400) for an image that is not the user's */
function contentOf({ role, content }: MessageItem): RequestContent {
  if (typeof content === 'string') return content;
  return content.map((part) => {
    if ('text' in part) return part;
    if (role === 'user') return imageUrlPart(part.image_url, part.detail);
    throw invalid(`Images are in messages of the user; this one is of the role ${role}.`, { param: 'input', code: 'invalid_value' });
  });
}

/** Of what has no images. */
function textsOf(content: RequestContent): string {
  return textOfContent(content as Parameters<typeof textOfContent>[0]);
}

function addItem(messages: Draft[], item: InputItem): void {
  switch (item.type) {
    case 'reasoning': {
      const draft = assistantOf(messages);
      draft.reasoning_content = `${draft.reasoning_content ?? ''}${textOfContent(item.content)}`;
      return;
    }
    case 'function_call': {
      const draft = assistantOf(messages);
      const { call_id: id, name, arguments: text } = item;
      draft.tool_calls = [...(draft.tool_calls ?? []), { id, function: { name, arguments: text } }];
      return;
    }
    case 'function_call_output':
      messages.push({ role: 'tool', tool_call_id: item.call_id, content: textOfContent(item.output) });
      return;
    case undefined:
    case 'message': {
      const content = contentOf(item);
      if (item.role !== 'assistant') return void messages.push({ role: item.role, content });
      const draft = assistantOf(messages);
      draft.content = `${textsOf(draft.content)}${textsOf(content)}`;
      return;
    }
    default:
      throw new Error(`responses: unknown item ${JSON.stringify(item satisfies never)}`);
  }
}

/** @param history what the conversation has before the input */
export function inputMessages({ input, instructions }: ResponseParameters, history: readonly InputItem[]): readonly RequestMessage[] {
  const messages: Draft[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  for (const item of history) addItem(messages, item);
  if (typeof input === 'string') messages.push({ role: 'user', content: input });
  else for (const item of input) addItem(messages, item);
  return messages;
}

/** Tools as chats have them, which keep what a function is in an object of its own. */
export function chatTools({ tools, tool_choice: choice }: ResponseParameters): RequestTools {
  return {
    tools: tools?.map(({ type, ...described }) => ({ type, function: described as JsonObject & { readonly name: string } })),
    tool_choice: typeof choice === 'object' ? { function: { name: choice.name } } : choice,
  };
}
