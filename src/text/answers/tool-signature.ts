/** What is known of the functions that a caller describes, in the forms of OpenAI's and of other APIs. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { ToolSignature } from './answer-dialect.ts';

/** `{ type: 'function', function: { name, parameters } }`, or the inner object alone; what has no name is left out. */
export function toolSignatures(tools: readonly JsonObject[] = []): readonly ToolSignature[] {
  return tools.flatMap((tool) => {
    const inner = isJsonObject(tool['function']) ? tool['function'] : tool;
    const { name } = inner;
    const parameters = inner['parameters'] ?? inner['input_schema'];
    return typeof name === 'string' ? [{ name, parameters: isJsonObject(parameters) ? parameters : undefined }] : [];
  });
}
