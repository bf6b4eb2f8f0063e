/** Functions that a model may call: what it is told of them, and one call run. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { ToolCall } from '../text/answers/answer-parts.ts';
import { checkBySchema, checkByStandard } from './argument-check.ts';
import type { CheckArguments } from './argument-check.ts';
import { checkOfObjects } from './tool-choice.ts';
import { isStandardSchema, jsonSchemaOf } from './standard-schema.ts';
import type { ToolContext, ToolFunction, ToolResult } from './tool-api.ts';

/** A function, its options checked. */
export interface ReadyTool {
  readonly name: string;
  /** For the chat template. */
  readonly description: JsonObject;
  readonly checkArguments: CheckArguments;
  run(args: unknown, context: ToolContext): unknown;
}

const NAMES: NamesOf<ToolFunction> = { name: true, description: true, parameters: true, jsonSchema: true, run: true };
const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {} };

/** What the model is told of the arguments, and how they are checked. */
function parametersOf({ name, parameters, jsonSchema }: ToolFunction): { readonly schema: JsonObject; readonly check: CheckArguments } {
  const what = `The tool ${name}`;
  if (jsonSchema !== undefined && !isJsonObject(jsonSchema as JsonValue))
    throw new InputError(`${what}: jsonSchema must be an object, found ${describeValue(jsonSchema)}.`);
  if (isStandardSchema(parameters)) return { schema: jsonSchema ?? jsonSchemaOf(parameters, what), check: checkByStandard(parameters) };
  if (jsonSchema !== undefined) throw new InputError(`${what}: jsonSchema goes with a Standard Schema: pass it as parameters.`);
  if (parameters !== undefined && !isJsonObject(parameters as JsonValue))
    throw new InputError(`${what}: parameters must be a JSON Schema or a Standard Schema, found ${describeValue(parameters)}.`);
  const schema = (parameters as JsonObject | undefined) ?? NO_ARGUMENTS;
  try {
    return { schema, check: checkBySchema(schema) };
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

function readyTool(tool: ToolFunction, index: number): ReadyTool {
  if (typeof tool !== 'object' || tool === null) throw new InputError(`tools[${index}] must be an object, found ${describeValue(tool)}.`);
  checkOptionNames(tool, NAMES, `tools[${index}]`);
  const { name, description } = tool;
  if (typeof name !== 'string' || name === '') throw new InputError(`tools[${index}] must have a name, found ${describeValue(name)}.`);
  if (typeof tool.run !== 'function')
    throw new InputError(`tools[${index}] (${name}): run must be a function, found ${describeValue(tool.run)}.`);
  if (description !== undefined && typeof description !== 'string')
    throw new InputError(`tools[${index}] (${name}): description must be a text, found ${describeValue(description)}.`);
  const { schema, check } = parametersOf(tool);
  checkOfObjects(schema, `The tool ${name}`);
  return {
    name,
    description: {
      type: 'function', function: { name, ...(description === undefined ? {} : { description }), parameters: schema },
    },
    checkArguments: check,
    run: (args, context) => tool.run(args as JsonObject, context),
  };
}

/** @throws InputError for what is no function, two of one name, and a schema that cannot be told or checked, with the part of it */
export function readyTools(tools: readonly ToolFunction[]): ReadonlyMap<string, ReadyTool> {
  if (!Array.isArray(tools) || tools.length === 0) {
    const found = Array.isArray(tools) ? 'an empty one' : describeValue(tools);
    throw new InputError(`tools must be a list of at least one function, found ${found}.`);
  }
  const ready = new Map<string, ReadyTool>();
  for (const [index, tool] of tools.entries()) {
    const own = readyTool(tool as ToolFunction, index);
    if (ready.has(own.name)) throw new InputError(`tools[${index}] has the name ${own.name}, which another one has.`);
    ready.set(own.name, own);
  }
  return ready;
}

/** What JSON would leave out or empty, so that the model would read of nothing. */
function refuseLost(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') throw new InputError(`JSON cannot say the BigInt ${value}`);
  if (value instanceof Map || value instanceof Set) throw new InputError(`JSON cannot say a ${value.constructor.name}`);
  return value;
}

/** A result as the model reads it. @throws InputError for what is no JSON */
function resultText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return 'null';
  try {
    const text = JSON.stringify(value, refuseLost) as string | undefined;
    if (text !== undefined) return text;
  } catch (error) {
    const [why] = messageOf(asError(error)).split('\n');
    throw new InputError(`The function returned what is no JSON: ${why}.`, { cause: error });
  }
  throw new InputError(`The function returned what is no JSON: ${describeValue(value)}.`);
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(typeof thrown === 'string' ? thrown : `the function threw ${describeValue(thrown)}`);
}

/** Of any error that a caller's function makes: it may have no message, or one that is no text, or throw when it is asked for. */
function messageOf(error: Error): string {
  try {
    return String(error.message) || String(error.name);
  } catch {
    return 'the function threw an error that does not say its message';
  }
}

/** Resolves to what the call gave; never rejects. */
export async function runCall(tools: ReadonlyMap<string, ReadyTool>, context: ToolContext): Promise<ToolResult> {
  const { call } = context;
  const begunAt = performance.now();
  const ended = () => performance.now() - begunAt;
  try {
    const tool = tools.get(call.name);
    if (tool === undefined) throw unknownTool(call, tools);
    const value = await tool.run(await tool.checkArguments(call.arguments), context);
    return { content: resultText(value), value, error: undefined, durationMs: ended() };
  } catch (thrown) {
    const error = asError(thrown);
    return { content: JSON.stringify({ error: messageOf(error) }), value: undefined, error, durationMs: ended() };
  }
}

function unknownTool({ name }: ToolCall, tools: ReadonlyMap<string, ReadyTool>): InputError {
  return new InputError(`There is no function ${JSON.stringify(name)}; there are ${[...tools.keys()].join(', ')}.`);
}
