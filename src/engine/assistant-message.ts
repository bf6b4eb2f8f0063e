/** From the text of an answer to a message that chat templates can render: thinking and tool calls set apart. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import { splitReasoning } from '../text/reasoning-parser.ts';
import type { ChatMessage } from './api.ts';

function parseCall(json: string): JsonObject | undefined {
  try {
    const call = JSON.parse(json) as Partial<Record<'name' | 'arguments', unknown>> | null;
    if (typeof call?.name !== 'string' || typeof call.arguments !== 'object' || call.arguments === null) return undefined;
    return { type: 'function', function: { name: call.name, arguments: call.arguments as JsonObject } };
  } catch {
    return undefined;
  }
}

/** Calls at the end of `content` in the form `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`; any other text stays. */
function splitToolCalls(content: string): { readonly content: string; readonly calls: readonly JsonObject[] } {
  const at = content.indexOf('<tool_call>');
  if (at < 0) return { content, calls: [] };
  const blocks = content.slice(at).split('</tool_call>');
  if (blocks.pop()?.trim() !== '') return { content, calls: [] };
  const calls: JsonObject[] = [];
  for (const block of blocks) {
    const text = block.trimStart();
    const call = text.startsWith('<tool_call>') ? parseCall(text.slice('<tool_call>'.length)) : undefined;
    if (call === undefined) return { content, calls: [] };
    calls.push(call);
  }
  return { content: content.slice(0, at).trimEnd(), calls };
}

/** The assistant's message that `text` stands for. `thinkingOpened`: the prompt ended with an opening think tag. */
export function assistantMessage(text: string, thinkingOpened = false): ChatMessage {
  const { reasoning, content } = splitReasoning(text, thinkingOpened);
  const split = splitToolCalls(content);
  return {
    role: 'assistant',
    content: split.content,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(split.calls.length === 0 ? {} : { tool_calls: split.calls }),
  };
}
