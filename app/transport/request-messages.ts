/** Messages in the form of OpenAI's chat completions. */
import type { ChatMessage, ContentPart } from './transport.ts';

async function base64Of(blob: Blob): Promise<string> {
  const url = await dataUrlOf(blob);
  return url.slice(url.indexOf(',') + 1);
}

export function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result as string));
    reader.addEventListener('error', () => reject(reader.error ?? new Error('A file could not be read.')));
    reader.readAsDataURL(blob);
  });
}

async function partOf(part: ContentPart): Promise<object> {
  switch (part.type) {
    case 'text':
      return part;
    case 'image':
      return { type: 'image_url', image_url: { url: await dataUrlOf(part.blob) } };
    case 'audio':
      return { type: 'input_audio', input_audio: { data: await base64Of(part.blob), format: part.format } };
    default:
      return part satisfies never;
  }
}

async function messageOf({ role, content, reasoning, toolCalls, toolCallId }: ChatMessage): Promise<object> {
  return {
    role,
    content: typeof content === 'string' ? content : await Promise.all(content.map(partOf)),
    ...(reasoning === undefined || reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(toolCalls === undefined || toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({ id, type: 'function', function: { name, arguments: text } })),
        }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  };
}

export function requestMessages(messages: readonly ChatMessage[]): Promise<object[]> {
  return Promise.all(messages.map(messageOf));
}
