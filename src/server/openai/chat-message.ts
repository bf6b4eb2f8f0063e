/** Messages of a request as the engine has them. */
import type { ChatMessage } from '../../engine/api.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { engineCallId } from '../call-ids.ts';
import { invalid } from '../failure.ts';
import { engineContent } from '../images/request-content.ts';
import type { RequestMessage } from './chat-parameters.ts';

/** Chat templates read arguments as an object; requests have them as JSON text. @throws Failure (400) for other text */
function argumentsOf(text: string, at: string): JsonObject {
  const wrong = invalid(`${at} must be the text of a JSON object.`, { param: at, code: 'invalid_value' });
  if (text.trim() === '') return {};
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw wrong;
  }
  if (!isJsonObject(value)) throw wrong;
  return value;
}

/** `developer` is what newer models call `system`; templates know the older word. */
function engineMessage(message: RequestMessage, at: string): ChatMessage {
  const { role, content, name, reasoning_content: reasoning, tool_calls: calls, tool_call_id: callId } = message;
  return {
    role: role === 'developer' ? 'system' : role,
    content: engineContent(content),
    ...(name ? { name } : {}),
    ...(reasoning ? { reasoning_content: reasoning } : {}),
    ...(callId === undefined ? {} : { tool_call_id: engineCallId(callId) }),
    ...(calls && calls.length > 0
      ? {
          tool_calls: calls.map(({ id, function: called }, index) => ({
            id: engineCallId(id), type: 'function',
            function: { name: called.name, arguments: argumentsOf(called.arguments, `${at}.tool_calls[${index}].function.arguments`) },
          })),
        }
      : {}),
  };
}

/** @throws Failure (400) for a message of the assistant that says nothing, and for arguments that are no JSON */
export function engineMessages(messages: readonly RequestMessage[]): ChatMessage[] {
  return messages.map((message, index) => {
    const at = `messages[${index}]`;
    const { role, content, tool_calls: calls } = message;
    if (role === 'assistant' && (content ?? null) === null && (calls ?? []).length === 0)
      throw invalid(`${at} needs content or tool_calls.`, { param: `${at}.content`, code: 'missing_required_parameter' });
    return engineMessage(message, at);
  });
}
