/**
 * Chat templates: Jinja programs that turn messages into the text a model was trained on. They come with model files,
 * so they run under limits, and their own text is told apart from the caller's: only there may special tokens be.
 */
import type { JsonValue } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { createBudget, DEFAULT_LIMITS } from './jinja/budget.ts';
import type { BudgetLimits } from './jinja/budget.ts';
import { templateGlobals } from './jinja/globals.ts';
import { runTemplate } from './jinja/interpreter.ts';
import { filterNames } from './jinja/filters.ts';
import { foreignValue } from './jinja/foreign-value.ts';
import type { Template } from './jinja/nodes.ts';
import { parseTemplate } from './jinja/parser.ts';
import { ownText } from './jinja/template-text.ts';
import type { TemplateText } from './jinja/template-text.ts';
import { TemplateError, TemplateRefusal, TemplateSyntaxError } from './jinja/template-errors.ts';
import { testNames } from './jinja/tests.ts';
import type { Value } from './jinja/values.ts';
import type { TextSegment, Tokenizer } from './tokenizer.ts';

/** A message, tool or other value as JSON; objects of any type with such fields will do. */
export type TemplateData = JsonValue | object | undefined;

export interface RenderChatOptions {
  readonly messages: readonly object[];
  readonly tools?: readonly object[] | undefined;
  /** Opens the turn of the assistant at the end; true by default. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, TemplateData>> | undefined;
  /** Texts of the model's tokens by the template's names for them, such as `bos_token`; templates write BOS themselves. */
  readonly specialTokens?: Readonly<Record<string, string>> | undefined;
  /** What strftime_now tells; the present by default. */
  readonly now?: Date | undefined;
}

export interface ChatSegment {
  readonly text: string;
  /** The template's own text, in which special tokens count; else the caller's. */
  readonly fromTemplate: boolean;
}

export interface RenderedChat {
  readonly text: string;
  /** The text in parts. */
  readonly segments: readonly ChatSegment[];
}

export interface ChatTemplate {
  /** @throws InputError where the template refuses the messages; FormatError where it fails or exceeds its limits */
  render(options: RenderChatOptions): RenderedChat;
}

const maxSourceUnits = 2_000_000;

/**
 * Parses a template.
 * @param where its file, for messages
 * @throws FormatError for a template that cannot be parsed
 */
export function parseChatTemplate(source: string, where = 'the chat template', limits: BudgetLimits = DEFAULT_LIMITS): ChatTemplate {
  if (source.length > maxSourceUnits)
    throw new FormatError(`${where} has ${source.length} characters; at most ${maxSourceUnits} are read.`);
  const program = parseSource(source, where);
  return {
    render(options) {
      try {
        const budget = createBudget(limits);
        const globals = templateGlobals(options.now ?? new Date(), budget);
        for (const [name, value] of templateVariables(options)) globals.set(name, value);
        return renderedChat(runTemplate(program, globals, budget));
      } catch (error) {
        throw renderError(error, where);
      }
    },
  };
}

/** Renders once; parse the template where it is used again. */
export function renderChat(template: string | ChatTemplate, options: RenderChatOptions): string {
  return renderChatSegments(template, options).text;
}

/** As {@link renderChat}, with the parts that came from the caller told apart. */
export function renderChatSegments(template: string | ChatTemplate, options: RenderChatOptions): RenderedChat {
  return (typeof template === 'string' ? parseChatTemplate(template) : template).render(options);
}

/** Token ids of a rendered chat: special tokens count in the template's own text only. */
export function encodeChat(tokenizer: Pick<Tokenizer, 'encodeSegments'>, chat: Pick<RenderedChat, 'segments'>): number[] {
  return tokenizer.encodeSegments(
    chat.segments.map(({ text, fromTemplate }): TextSegment => ({ text, parseSpecial: fromTemplate })),
  );
}

function parseSource(source: string, where: string): Template {
  try {
    return parseTemplate(source, { filters: filterNames, tests: testNames });
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    const reason = `line ${error.line}: ${error.message.slice(0, 300)}`;
    throw new FormatError(`${where} cannot be parsed: ${reason}. Pass another template, or a prompt instead of messages.`, {
      cause: error,
    });
  }
}

function templateVariables(options: RenderChatOptions): Map<string, Value> {
  const { messages, tools, addGenerationPrompt = true, variables = {}, specialTokens = {} } = options;
  const named = new Map<string, Value>();
  // Texts of tokens come from the model's files, as the template does.
  for (const [name, text] of Object.entries(specialTokens)) named.set(name, ownText(text));
  named.set('messages', foreignValue(messages as readonly JsonValue[]));
  named.set('tools', tools === undefined ? null : foreignValue(tools as readonly JsonValue[]));
  named.set('documents', null);
  named.set('add_generation_prompt', addGenerationPrompt);
  for (const [name, value] of Object.entries(variables)) named.set(name, foreignValue(value as JsonValue));
  return named;
}

function renderedChat({ text, foreign }: TemplateText): RenderedChat {
  const segments: ChatSegment[] = [];
  let from = 0;
  const push = (to: number, fromTemplate: boolean): void => {
    if (to > from) segments.push({ text: text.slice(from, to), fromTemplate });
    from = to;
  };
  for (let at = 0; at < foreign.length; at += 2) {
    push(foreign[at]!, true);
    push(foreign[at + 1]!, false);
  }
  push(text.length, true);
  return { text, segments };
}

function renderError(error: unknown, where: string): unknown {
  if (error instanceof TemplateRefusal)
    return new InputError(`${where} does not accept these messages: ${error.message}`, { cause: error });
  if (error instanceof TemplateError)
    return new FormatError(`${where} failed${error.line === undefined ? '' : ` at line ${error.line}`}: ${error.message}.`, {
      cause: error,
    });
  if (error instanceof RangeError)
    return new FormatError(`${where} failed: it is nested too deep or makes too much text.`, { cause: error });
  return error;
}
