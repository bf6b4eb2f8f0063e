/** Which calls an answer may make: the tools that the model is told of, and the form that its answer is held to. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { AnswerDialect, CallForm, CallGrammar, ReasoningMarks } from '../text/answers/answer-dialect.ts';
import { dialectFor, dialectNamed } from '../text/answers/dialects.ts';
import { toolSignatures } from '../text/answers/tool-signature.ts';
import type { OutputFormat, OutputTag, TagsFormat } from '../text/grammars/output-format.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ConversationOptions, DecodingOptions, ToolChoice } from './api.ts';
import type { TextSide } from './prompt.ts';
import { mayThink } from './reasoning.ts';
import { checkTools } from './template-options.ts';

/** Calls have arguments by name. @throws InputError for a schema of something else */
export function checkOfObjects({ type }: JsonObject, what: string): void {
  if (type === undefined || type === 'object' || (Array.isArray(type) && type.includes('object'))) return;
  throw new InputError(`${what}: parameters must be the schema of an object, found the type ${JSON.stringify(type)}.`);
}

/** @throws InputError for a choice that there is not, or a name that no tool has */
export function checkToolChoice(choice: ToolChoice | undefined, tools: readonly JsonObject[] | undefined): void {
  if (choice === undefined || choice === 'auto' || choice === 'none') return;
  const name = typeof choice === 'object' && choice !== null ? choice.name : undefined;
  if (choice !== 'required' && typeof name !== 'string')
    throw new InputError(`toolChoice must be "auto", "none", "required" or { name } of a tool, found ${describeValue(choice)}.`);
  if (typeof choice === 'object') checkOptionNames(choice, { name: true }, 'toolChoice');
  const names = toolSignatures(tools).map((tool) => tool.name);
  if (names.length === 0) throw new InputError('toolChoice asks for a call, and there are no tools: pass some.');
  if (name !== undefined && !names.includes(name))
    throw new InputError(`toolChoice names the tool ${describeValue(name)}, which there is not: there are ${names.join(', ')}.`);
}

const ANY_OBJECT: JsonObject = { type: 'object' };

function tagOf({ begin, arguments: form, schema = ANY_OBJECT, end }: CallForm): OutputTag {
  return { begin, content: form === 'json' ? { type: 'schema', schema } : { type: 'arguments', form, schema }, end };
}

const ONE = { type: 'tags', text: false, min: 1, max: 1 } as const;

/** Calls one behind the other, as the dialect separates them. */
function callsInRow({ calls, separator }: CallGrammar): TagsFormat {
  return { type: 'tags', text: false, min: 1, ...(separator === undefined ? { max: 1 } : { separator }), tags: calls.map(tagOf) };
}

/** What begins with the mark that announces calls. */
function announced(trigger: string, grammar: CallGrammar): OutputTag {
  const { begin, end, calls } = grammar;
  if (begin === '') {
    const tags = calls.map(tagOf).map((tag) => ({ ...tag, begin: tag.begin.slice(trigger.length) }));
    return { begin: trigger, content: { ...ONE, tags }, end: '' };
  }
  const rest = begin.slice(trigger.length);
  const row = callsInRow(grammar);
  return { begin: trigger, content: rest === '' ? row : { ...ONE, tags: [{ begin: rest, content: row, end: '' }] }, end };
}

/** The family thinks by control tokens, which are no text. */
function thinksByTokens({ open }: ReasoningMarks, tokenizer: Tokenizer): boolean {
  return tokenizer.encode(open, { parseSpecial: true }).some((id) => tokenizer.isSpecial(id));
}

/** A thought with calls right behind it, as the family writes them. */
function thoughtTag({ open, close, cut = close }: ReasoningMarks, calls: OutputFormat): OutputTag {
  const behind = cut.slice(cut.indexOf(close) + close.length);
  const over: OutputTag = { begin: close + behind, content: calls, end: '' };
  return { begin: open, content: { type: 'tags', text: 'before', min: 1, max: 1, tags: [over] }, end: '' };
}

/**
 * What an answer with at least one call looks like: calls alone, or a thought and calls where the model may think.
 * @throws InputError for a dialect without calls, or a name that its calls cannot say
 */
export function callFormat(
  { dialect, tokenizer, thinks }: { readonly dialect: AnswerDialect; readonly tokenizer: Tokenizer; readonly thinks: boolean },
  tools: readonly JsonObject[],
): OutputFormat {
  for (const { name, parameters = {} } of toolSignatures(tools)) checkOfObjects(parameters, `The tool ${name}`);
  const grammar = dialect.callGrammar(toolSignatures(tools));
  if (grammar === undefined)
    throw new InputError(`toolChoice "required", or a name, cannot be obeyed: the dialect ${dialect.name} has no calls. Use "auto".`);
  for (const { name, arguments: form } of grammar.calls)
    if (form !== 'json' && !/^[\w.-]{1,256}$/u.test(name))
      throw new InputError(
        `toolChoice: the name ${JSON.stringify(name)} cannot be said in calls of the dialect ${dialect.name}, ` +
          'which take letters, digits, "_", "." and "-", at most 256. Rename the tool.',
      );
  const [trigger] = grammar.triggers;
  if (trigger === undefined) return callsInRow(grammar);
  const most = grammar.begin === '' && grammar.separator !== undefined ? {} : { max: 1 };
  const row = { type: 'tags', min: 1, ...most, text: false, separator: grammar.separator ?? '' } as const;
  const calls: TagsFormat = { ...row, tags: [announced(trigger, grammar)] };
  const { reasoning } = dialect;
  if (!thinks || reasoning === undefined || thinksByTokens(reasoning, tokenizer)) return calls;
  return { ...row, tags: [...calls.tags, thoughtTag(reasoning, calls)] };
}

type ChoosingOptions = Pick<ConversationOptions & DecodingOptions, 'tools' | 'toolChoice' | 'dialect' | 'format' | 'reasoning'>;

/**
 * The options of an answer that obeys `toolChoice`: tools that it may call alone, and the format that holds it to a call.
 * @throws InputError for a choice that cannot be obeyed
 */
export function obeyToolChoice<Options extends ChoosingOptions>(options: Options, text: TextSide): Options {
  const { tools, toolChoice, format } = options;
  checkTools(tools);
  checkToolChoice(toolChoice, tools);
  if (toolChoice === undefined || toolChoice === 'auto') return options;
  if (toolChoice === 'none') return { ...options, tools: undefined };
  if (format !== undefined)
    throw new InputError('format and a toolChoice that asks for a call are two forms of one answer: pass one of them.');
  const { tokenizer } = text;
  if (tokenizer === undefined) throw new InputError('This model has no tokenizer, so that toolChoice cannot be obeyed.');
  const dialect = options.dialect === undefined ? (text.dialect ?? dialectFor(undefined)) : dialectNamed(options.dialect);
  const named = (tools ?? []).filter((tool) => toolChoice === 'required' || toolSignatures([tool])[0]?.name === toolChoice.name);
  return { ...options, format: callFormat({ dialect, tokenizer, thinks: mayThink(options.reasoning, text) }, named) };
}
