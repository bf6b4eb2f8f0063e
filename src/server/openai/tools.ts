/** Tools of a request: what the model may call, and whether it must. */
import type { ToolChoice } from '../../engine/api.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { AnswerRequest } from '../run-generation.ts';
import { invalid } from '../failure.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';

const FUNCTION_NAME: Schema = { type: 'string', minLength: 1, maxLength: 128 };

/** A function that a model may call, as the chats of OpenAI and Ollama have it. @param more members that one of them has besides */
export function functionTool(more: Readonly<Record<string, Schema>> = {}): Schema {
  const described: Schema = {
    type: 'object',
    properties: {
      name: FUNCTION_NAME,
      description: { type: 'string', nullable: true },
      parameters: { type: 'object', nullable: true, description: 'JSON Schema of the arguments.' },
      ...more,
    },
    required: ['name'],
    additionalProperties: false,
  };
  return {
    type: 'object', properties: { type: { enum: ['function'] }, function: described }, required: ['type', 'function'],
    additionalProperties: false,
  };
}

const TOOL = functionTool({ strict: { type: 'boolean', nullable: true, description: 'True only where tool_choice asks for a call.' } });

const NAMED_CHOICE: Schema = {
  type: 'object',
  properties: {
    type: { enum: ['function'] },
    function: { type: 'object', properties: { name: FUNCTION_NAME }, required: ['name'], additionalProperties: false },
  },
  required: ['type', 'function'],
  additionalProperties: false,
};

export const TOOL_PARAMETERS: ParameterTable = {
  tools: { schema: { type: 'array', items: TOOL, maxItems: 128 }, about: 'Functions; refused where the chat template reads none.' },
  tool_choice: {
    schema: { anyOf: [{ enum: ['none', 'auto', 'required'] }, NAMED_CHOICE] },
    about: 'required and a named function hold the answer to a call whose arguments are valid by their schema.',
  },
  parallel_tool_calls: { refused: 'an answer may have several calls; ask for one in a message.', neutral: [true] },
};

export interface RequestTools {
  readonly tools?: readonly { readonly type: 'function'; readonly function: JsonObject & { readonly name: string } }[];
  readonly tool_choice?: 'none' | 'auto' | 'required' | { readonly function: { readonly name: string } };
}

function choiceOf(choice: RequestTools['tool_choice']): ToolChoice | undefined {
  return typeof choice === 'object' ? { name: choice.function.name } : choice;
}

/** Null is a member that is not given; what `strict` says is no business of the template. */
function descriptionOf(described: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(described).filter(([name, value]) => value !== null && name !== 'strict'));
}

/** @throws Failure (400) for a choice among no tools, and for arguments that are to be valid where nothing holds them to it */
export function toolOptions({ tools = [], tool_choice: choice }: RequestTools): Pick<AnswerRequest, 'tools' | 'toolChoice'> {
  if (tools.length === 0) {
    if (choice === undefined || choice === 'none' || choice === 'auto') return {};
    throw invalid('tool_choice asks for a call, and there are no tools.', { param: 'tool_choice', code: 'invalid_value' });
  }
  const isHeld = choice === 'required' || typeof choice === 'object';
  const strict = tools.findIndex((tool) => tool.function['strict'] === true);
  if (strict >= 0 && !isHeld)
    throw invalid(
      `tools[${strict}].function.strict is not obeyed where the model may choose: arguments are held to their schema only where ` +
        'tool_choice is required or names a function.',
      { param: `tools[${strict}].function.strict`, code: 'unsupported_parameter' },
    );
  return { tools: tools.map((tool) => ({ type: 'function', function: descriptionOf(tool.function) })), toolChoice: choiceOf(choice) };
}
