/** What an answer has to be, as callers say it, and the grammar of it. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames, checkSwitch, checkInteger, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { combine, countedDfa, isEmptyDfa } from './char-dfa.ts';
import { ANY_CODE, codeRanges } from './code-ranges.ts';
import { argumentsGrammar } from './arguments-grammar.ts';
import type { FormMark } from './argument-texts.ts';
import { ARGUMENTS_FORMS } from './arguments-form.ts';
import type { ArgumentsForm } from './arguments-form.ts';
import { ebnfGrammar } from './ebnf-reader.ts';
import { EMPTY, anyOf, chars, choice, dfaNode, repeat, ruleOf, sequence, textNode, tokenNode } from './grammar-node.ts';
import type { GrammarNode } from './grammar-node.ts';
import { createGrammarMachine } from './matcher.ts';
import type { GrammarMachine, GrammarMatcher } from './matcher.ts';
import { checkPlainJson, HALF_PAIR } from './plain-json.ts';
import { literalPattern } from './regex-dfa.ts';
import { checkedSchema, schemaGrammar } from './schema-grammar.ts';
import type { TableSearch } from './table-search.ts';
import { textUntil } from './text-until.ts';

/** A JSON object or array. */
export interface JsonFormat {
  readonly type: 'json';
}

export interface SchemaFormat {
  readonly type: 'schema';
  /** JSON Schema. */
  readonly schema: JsonObject | boolean;
  /**
   * True, the default: members come in the schema's order, and there are none but those it names, unless it has `additionalProperties`.
   * False: members in any order, and what the schema does not speak of is allowed, as the standard has it.
   */
  readonly strict?: boolean | undefined;
}

export interface RegexFormat {
  readonly type: 'regex';
  /** Of JavaScript, with the flag `u`; the whole answer has to match. */
  readonly pattern: string;
}

export interface ChoiceFormat {
  readonly type: 'choice';
  /** The answer is one of these texts. */
  readonly choices: readonly string[];
}

export interface EbnfFormat {
  readonly type: 'grammar';
  /** EBNF in the form of GBNF; an answer is a text of its rule `root`. */
  readonly grammar: string;
}

/** Text with stretches that obey formats of their own: calls of tools. */
export interface TagsFormat {
  readonly type: 'tags';
  readonly tags: readonly OutputTag[];
  /** Fewest and most stretches; default 0 and any number. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Free text before, between and after them, in which none of the beginnings occurs; `before`: only before the first. Default true. */
  readonly text?: boolean | 'before' | undefined;
  /** Between two stretches where there is no free text between them. Default none. */
  readonly separator?: string | undefined;
}

export interface OutputTag {
  /** A text. What of it the vocabulary has as control tokens are those tokens. */
  readonly begin: string;
  readonly content: OutputFormat;
  readonly end: string;
}

/** The arguments of a call, as a family of models writes them. */
export interface ArgumentsFormat {
  readonly type: 'arguments';
  readonly form: ArgumentsForm;
  /** JSON Schema of the object that they make; as strict as that of a {@link SchemaFormat}. */
  readonly schema: JsonObject;
}

export type OutputFormat = JsonFormat | SchemaFormat | RegexFormat | ChoiceFormat | EbnfFormat | TagsFormat | ArgumentsFormat;

/** How an answer begins. */
export interface AnswerStart {
  /**
   * It begins within a thought: any text, up to the first of these marks; behind it up to four spaces or line ends, then the format. A mark
   * that the vocabulary has as a control token is that token. Absent: with the format.
   */
  readonly thoughtEnd?: string | undefined;
}

export interface CompiledGrammar {
  start(options?: AnswerStart): GrammarMatcher;
  /** For the table of answers that begin so, as {@link GrammarMatcher.onDevice} has it. The same one each time. */
  search(options?: AnswerStart): TableSearch;
}

/** Makes grammars for one vocabulary, and keeps those that were asked for lately. */
export interface GrammarCompiler {
  /** @throws InputError for a format that cannot be obeyed, with the part that cannot */
  compile(format: OutputFormat): CompiledGrammar;
}

const MOST_KEPT = 64;
const MOST_TAGS_DEPTH = 8;

const NAMES: { readonly [Type in OutputFormat['type']]: Readonly<Record<string, true>> } = {
  json: { type: true } satisfies NamesOf<JsonFormat>,
  schema: { type: true, schema: true, strict: true } satisfies NamesOf<SchemaFormat>,
  regex: { type: true, pattern: true } satisfies NamesOf<RegexFormat>,
  choice: { type: true, choices: true } satisfies NamesOf<ChoiceFormat>,
  grammar: { type: true, grammar: true } satisfies NamesOf<EbnfFormat>,
  tags: { type: true, tags: true, min: true, max: true, text: true, separator: true } satisfies NamesOf<TagsFormat>,
  arguments: { type: true, form: true, schema: true } satisfies NamesOf<ArgumentsFormat>,
};

const TAG_NAMES: NamesOf<OutputTag> = { begin: true, content: true, end: true };

/** @param modelVocab how many logits a step has @param endIds tokens that end an answer */
export function createGrammarCompiler(tokenizer: Tokenizer, modelVocab: number, endIds: ReadonlySet<number>): GrammarCompiler {
  let machine: GrammarMachine | undefined;
  const kept = new Map<string, CompiledGrammar>();
  const behind = createThoughts(tokenizer);
  return {
    compile(format) {
      checkPlainJson(format, 'format');
      const key = JSON.stringify(format) ?? '';
      const known = kept.get(key);
      if (known !== undefined) return known;
      if (endIds.size === 0)
        throw new InputError('format cannot be obeyed: this model has no token that ends an answer, so that none could end.');
      const own = (machine ??= createGrammarMachine({ tokenizer, modelVocab, endIds }));
      const node = formatGrammar(format, { machine: own, tokenizer, depth: 0 });
      const nodeOf = (start: AnswerStart | undefined) => behind(start?.thoughtEnd, node);
      const compiled: CompiledGrammar = { start: (start) => own.start(nodeOf(start)), search: (start) => own.search(nodeOf(start)) };
      if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value as string);
      kept.set(key, compiled);
      return compiled;
    },
  };
}

const SPACES = repeat(chars(codeRanges([[9, 10], [32, 32]])), 0, 4);

/** Puts a format behind the thought that a mark ends: for the same ones the same node each time. */
function createThoughts(tokenizer: Tokenizer): (thoughtEnd: string | undefined, format: GrammarNode) => GrammarNode {
  // What tokens may follow in a thought is found once for all formats.
  const thoughts = new Map<string, { readonly thought: GrammarNode; readonly behind: WeakMap<GrammarNode, GrammarNode> }>();
  return (thoughtEnd, format) => {
    if (thoughtEnd === undefined) return format;
    const own = thoughts.get(thoughtEnd) ?? { thought: thoughtGrammar(thoughtEnd, tokenizer), behind: new WeakMap() };
    thoughts.set(thoughtEnd, own);
    const node = own.behind.get(format) ?? sequence(own.thought, SPACES, format);
    own.behind.set(format, node);
    return node;
  };
}

function thoughtGrammar(end: string, tokenizer: Tokenizer): GrammarNode {
  const mark = markGrammar(end, tokenizer);
  if (mark.kind === 'bytes') return ruleOf('thought', dfaNode(textUntil(end), 'text'));
  // No text is read as a control token.
  return sequence(ruleOf('thought', dfaNode(countedDfa(ANY_CODE, 0, Infinity), 'text')), mark);
}

interface FormatContext {
  readonly machine: GrammarMachine;
  readonly tokenizer: Tokenizer;
  readonly depth: number;
}

function formatGrammar(format: OutputFormat, context: FormatContext): GrammarNode {
  if (typeof (format as unknown) !== 'object' || format === null || Array.isArray(format))
    throw new InputError(
      `${context.depth === 0 ? 'format' : 'The content of a tag'} must be an object with a type, found ${describeValue(format)}.`,
    );
  const { type } = format as { readonly type?: OutputFormat['type'] };
  if (type === undefined || !Object.hasOwn(NAMES, type))
    throw new InputError(`format must have a type of ${Object.keys(NAMES).join(', ')}, found ${describeValue(type)}.`);
  checkOptionNames(format, NAMES[type], `format of the type ${type}`);
  const { texts } = context.machine;
  switch (format.type) {
    case 'json': return choice([texts.object, texts.array]);
    case 'schema':
      checkSwitch('format.strict', format.strict);
      return schemaGrammar(checkedSchema(format.schema), { texts, isStrict: format.strict !== false });
    case 'regex': {
      checkText('format.pattern', format.pattern);
      const dfa = naming('format.pattern', () => texts.regex(format.pattern, false));
      if (isEmptyDfa(dfa)) throw new InputError('format.pattern matches no text.');
      return ruleOf('regex', dfaNode(dfa, 'text'));
    }
    case 'choice': return choicesGrammar(format.choices);
    case 'grammar':
      checkText('format.grammar', format.grammar);
      return ebnfGrammar(format.grammar);
    case 'tags': return tagsGrammar(format, context);
    case 'arguments':
      if (!Object.hasOwn(ARGUMENTS_FORMS, format.form))
        throw new InputError(`format.form must be one of ${Object.keys(ARGUMENTS_FORMS).join(', ')}, found ${describeValue(format.form)}.`);
      return argumentsGrammar(checkedSchema(format.schema), { form: format.form, json: texts, markOf: (mark) => formMark(mark, context) });
    default: return format satisfies never;
  }
}

/** Says in an error what it is about. */
function naming<Result>(name: string, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${name}: ${error.message.replace(/\.$/u, '')}.`, { cause: error });
    throw error;
  }
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new InputError(`${name} must be a text, found ${describeValue(value)}.`);
}

function checkSaid(name: string, text: string): void {
  if (HALF_PAIR.test(text)) throw new InputError(`${name} holds half a surrogate pair, which no answer says.`);
}

function choicesGrammar(choices: readonly string[]): GrammarNode {
  if (!Array.isArray(choices) || choices.length === 0 || choices.some((text) => typeof text !== 'string' || text === ''))
    throw new InputError('format.choices must be a list of texts, at least one, none of them empty.');
  choices.forEach((text, i) => checkSaid(`format.choices[${i}]`, text));
  return ruleOf('choice', anyOf(choices.map(textNode)));
}

function tagsGrammar({ tags, min = 0, max, text, separator = '' }: TagsFormat, context: FormatContext): GrammarNode {
  if (!Array.isArray(tags) || tags.length === 0) throw new InputError('format.tags must be a list of at least one tag.');
  if (context.depth >= MOST_TAGS_DEPTH) throw new InputError(`format.tags may be ${MOST_TAGS_DEPTH} deep.`);
  checkInteger('format.min', min, { min: 0, max: 1000 });
  checkInteger('format.max', max, { min: Math.max(1, min), max: 1000 });
  if (text !== 'before') checkSwitch('format.text', text);
  checkText('format.separator', separator);
  checkSaid('format.separator', separator);
  const stretches = choice(tags.map((tag, i) => {
    checkOptionNames(tag, TAG_NAMES, `format.tags[${i}]`);
    const { begin, content, end } = tag;
    if (typeof begin !== 'string' || begin === '' || typeof end !== 'string')
      throw new InputError('format.tags: each tag needs a begin, which is not empty, and an end.');
    checkSaid(`format.tags[${i}].begin`, begin);
    checkSaid(`format.tags[${i}].end`, end);
    const inside = formatGrammar(content, { ...context, depth: context.depth + 1 });
    return sequence(markGrammar(begin, context.tokenizer), inside, markGrammar(end, context.tokenizer));
  }));
  const most = max ?? Infinity;
  const more = repeat(sequence(textNode(separator), stretches), Math.max(0, min - 1), most - 1);
  const row = min === 0 ? choice([EMPTY, sequence(stretches, more)]) : sequence(stretches, more);
  if (text === false) return row;
  const marks = tags.map(({ begin }) => literalPattern(begin)).join('|');
  const without = combine(countedDfa(ANY_CODE, 0, Infinity), context.machine.texts.regex(marks, true), { less: true });
  const free = ruleOf('text', dfaNode(without, 'text'));
  return text === 'before' ? sequence(free, row) : sequence(free, repeat(sequence(stretches, free), min, most));
}

/** Within a call a mark that the vocabulary has as a control token is that token alone: readers take its text for text. */
function formMark(text: string, { tokenizer }: FormatContext): FormMark {
  const id = tokenizer.idOf(text);
  const isControl = id !== undefined && tokenizer.isSpecial(id);
  return { text, isControl, node: isControl ? tokenNode(id) : textNode(text) };
}

/** A text, and where it holds one of a control token, that token alone: readers take the same letters for text. */
function markGrammar(mark: string, tokenizer: Tokenizer): GrammarNode {
  const nodes: GrammarNode[] = [];
  let rest = mark;
  for (const id of tokenizer.encode(mark, { parseSpecial: true }).filter((each) => tokenizer.isSpecial(each))) {
    const text = tokenizer.tokenText(id);
    const at = rest.indexOf(text);
    if (at < 0) continue;
    if (at > 0) nodes.push(textNode(rest.slice(0, at)));
    nodes.push(tokenNode(id));
    rest = rest.slice(at + text.length);
  }
  return sequence(...nodes, ...(rest === '' ? [] : [textNode(rest)]));
}
