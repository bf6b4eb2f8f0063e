/** From what a caller passes (a prompt, ids or messages) to token ids. */
import type { Picture } from '../models/vision.ts';
import { InputError } from '../tensor/errors.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import { contentText } from '../text/chat-messages.ts';
import { canonicalTools } from '../text/canonical-tools.ts';
import type { EmbeddingPrompts } from '../text/embedding-prompts.ts';
import type { InfillTokens } from '../text/infill-tokens.ts';
import type { ScoreTokens } from '../text/score-tokens.ts';
import type { GrammarCompiler } from '../text/grammars/output-format.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { contextError, fitConversation, SLIDE_REMEDY } from './answer-room.ts';
import type { ContextLengths, FittedPrompt } from './answer-room.ts';
import { dialectFor, dialectNamed } from '../text/answers/dialects.ts';
import type { AnswerDialect } from '../text/answers/answer-dialect.ts';
import { toolSignatures } from '../text/answers/tool-signature.ts';
import type { AnswerFormat } from './answer-text.ts';
import { describeValue } from '../tensor/option-names.ts';
import { isSeen } from './images/image-content.ts';
import { promptPictures } from './pictures.ts';
import type { Pictures, PromptPictures } from './pictures.ts';
import { checkPrefilled, isPrefilled } from './prefilled-answer.ts';
import { reasoningVariables } from './reasoning.ts';
import type { ReasoningSide } from './reasoning.ts';
import { checkTemplateOptions } from './template-options.ts';
import type { ChatMessage, ContextPolicy, ConversationOptions, GenerateOptions, SamplingOptions, TemplateOptions } from './api.ts';

export interface RenderOptions {
  readonly tools: TemplateOptions['tools'];
  readonly variables: Readonly<Record<string, JsonValue>>;
  /** Called with the rendered text's length before it is encoded. */
  readonly checkLength?: (units: number) => void;
}

/** What a checkpoint says about text; every part may be missing but the end tokens, which may be none. */
export interface TextSide {
  readonly tokenizer: Tokenizer | undefined;
  /**
   * Renders the chat template, the turn of the assistant opened, or that of the last message left open where it is the assistant's;
   * undefined where the model has no template.
   */
  readonly encodeMessages: ((messages: readonly ChatMessage[], options: RenderOptions) => readonly number[]) | undefined;
  /** The text that {@link encodeMessages} encodes. */
  readonly renderMessages?: ((messages: readonly ChatMessage[], options: RenderOptions) => string) | undefined;
  /** Options that no template reads are refused where this is there. */
  readonly templateReads?: ReasoningSide['templateReads'];
  /** As {@link ReasoningSide.reasoningSwitch}. */
  readonly reasoningSwitch?: string | undefined;
  readonly endIds: ReadonlySet<number>;
  /** What answers are written in; default the plain one, which has thoughts and no calls. */
  readonly dialect?: AnswerDialect | undefined;
  /** Of the tokenizer, for a model of so many logits. Its tables are made with the first grammar. */
  readonly grammars?: ((vocabSize: number) => GrammarCompiler) | undefined;
  readonly samplingDefaults: SamplingOptions;
  /** What the files ask for of generation and do not get. */
  readonly warnings?: readonly string[] | undefined;
  /** Of a vocabulary that has them: what stands around the texts before and behind a gap. */
  readonly infillTokens?: InfillTokens | undefined;
  /** Of a conversation with images: its pictures, by the ids below 0 that {@link encodeMessages} gives for them. */
  readonly pictures?: ReadonlyMap<number, Picture> | undefined;
  /** What a model of embeddings puts before texts. */
  readonly embeddingPrompts?: EmbeddingPrompts | undefined;
  /** Of a reranker whose files say them. */
  readonly scoreTokens?: ScoreTokens | undefined;
  /** A model of embeddings reads texts in lower case. */
  readonly lowerCase?: boolean | undefined;
  /** UTF-16 units of the longest token, counted when first asked: says of a text that it is too long before it is encoded. */
  readonly longestTokenUnits?: (() => number) | undefined;
}

export interface ContextSize extends ContextLengths {
  readonly vocabSize: number;
  /** Of a model that sees. */
  readonly pictures?: Pictures | undefined;
}

export interface CheckOptions {
  /** Which of the caller's ids or texts it is, `texts[3]`, where there are several. */
  readonly where?: string | undefined;
  /** What the caller may do where there are too many. */
  readonly remedies?: readonly string[] | undefined;
  /** Those that ids below 0 may stand for. Default none. */
  readonly pictures?: ReadonlyMap<number, Picture> | undefined;
}

const SHORTEN = ['Shorten it'];

/** @throws InputError for an empty list or an id outside the vocabulary; CapacityError where they exceed the context. */
export function checkIds(
  ids: ArrayLike<number>, size: ContextSize, { where, remedies = SHORTEN, pictures }: CheckOptions = {},
): number[] {
  const { vocabSize, contextLength } = size;
  const at = where === undefined ? '' : `${where}: `;
  if (typeof ids !== 'object' || ids === null || !Number.isSafeInteger(ids.length) || ids.length < 0) {
    throw new InputError(`${where ?? 'ids'} must be an array of token ids, found ${describeValue(ids)}.`);
  }
  if (ids.length === 0) throw new InputError(`${at}The sequence of token ids is empty: at least one id is needed.`);
  if (ids.length > contextLength) {
    throw contextError(`${at}The sequence of ${ids.length} tokens exceeds the context of ${contextLength} tokens.`, {
      context: size,
      promptTokens: ids.length,
      remedies,
    });
  }
  const checked = Array.from(ids);
  const bad = checked.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize) && pictures?.has(id) !== true);
  if (bad >= 0) {
    throw new InputError(
      `${at}Token ids must be integers from 0 to ${vocabSize - 1} (the vocabulary), found ${String(checked[bad])} at index ${bad}.`,
    );
  }
  return checked;
}

/** Normal forms may join a few units into one, so that a token stands for more than its own text. */
const MOST_NORMALIZED_UNITS = 4;

/** Encoding takes many times the text's memory: what cannot fit is refused before it. @throws CapacityError */
export function checkTextLength(units: number, text: TextSide, size: ContextSize, { where, remedies = SHORTEN }: CheckOptions = {}): void {
  const { contextLength } = size;
  // Every token has a unit: most texts pass without a look at the vocabulary.
  if (units <= contextLength * MOST_NORMALIZED_UNITS) return;
  const longestTokenUnits = text.longestTokenUnits?.() ?? Infinity;
  if (units <= contextLength * longestTokenUnits * MOST_NORMALIZED_UNITS) return;
  throw contextError(
    `${where === undefined ? '' : `${where}: `}The text of ${units} characters exceeds the context of ${contextLength} tokens, ` +
      `however it is encoded: the longest token has ${longestTokenUnits}.`,
    {
      context: size,
      promptTokens: undefined,
      remedies,
    },
  );
}

function encodePrompt(prompt: string, text: TextSide, size: ContextSize): number[] {
  const { tokenizer } = text;
  if (tokenizer === undefined) throw new InputError('This model has no tokenizer, so it cannot read a prompt: pass ids instead.');
  if (typeof prompt !== 'string') throw new InputError(`prompt must be a string, found ${typeof prompt}.`);
  if (prompt === '') throw new InputError('The prompt is empty: at least one character is needed.');
  checkTextLength(prompt.length, text, size);
  const ids = tokenizer.encode(prompt);
  const bos = tokenizer.addBos ? tokenizer.special.bos : undefined;
  return bos === undefined ? ids : [bos, ...ids];
}

/** The end of a prompt as text, control tokens spelled out: a template, or the caller, may have opened a thought there. */
export function promptTail(promptIds: readonly number[], { tokenizer }: TextSide): string {
  return tokenizer === undefined ? '' : tokenizer.decode(promptIds.slice(-TAIL_TOKENS).filter((id) => id >= 0 && id < tokenizer.vocabSize));
}

/** Whether a prompt ends inside a thought. */
export function endsInThinking(promptIds: readonly number[], text: TextSide): boolean {
  const { reasoning } = text.dialect ?? dialectFor(undefined);
  return reasoning !== undefined && promptTail(promptIds, text).trimEnd().endsWith(reasoning.open);
}

/** What ends the thought that an answer begins inside of; undefined where it begins in none. */
export function openThoughtEnd(promptIds: readonly number[], format: AnswerFormat, text: TextSide): string | undefined {
  const { reasoning } = format.dialect;
  const isOpen = reasoning !== undefined && answerOpening(promptIds, format, text).trimEnd().endsWith(reasoning.open);
  return isOpen ? reasoning.close : undefined;
}

/** What an answer goes on from, as dialects look at it. */
export function answerOpening(promptIds: readonly number[], { dialect, continuesThought }: AnswerFormat, text: TextSide): string {
  const { reasoning } = dialect;
  return continuesThought === true && reasoning !== undefined ? reasoning.open : promptTail(promptIds, text);
}

/** How the answer to a call is read. @throws InputError for a dialect that there is not */
export function answerFormat(
  { tools, dialect }: Pick<ConversationOptions, 'tools' | 'dialect'>,
  text: TextSide,
  messages: readonly ChatMessage[] = [],
): AnswerFormat {
  const own = text.dialect ?? dialectFor(undefined);
  const last = isPrefilled(messages) ? messages.at(-1) : undefined;
  const continuesThought = last !== undefined && contentText(last.content) === '' && (last.reasoning_content ?? '') !== '';
  return { dialect: dialect === undefined ? own : dialectNamed(dialect), tools: toolSignatures(tools), continuesThought };
}

const TAIL_TOKENS = 64;
const ROLE_HINT = 'Each message needs a role (system, user, assistant or tool) and content: a string, or parts { type: "text", text }.';

/** Whether it is a list of parts that are texts, or seen. */
function isParts(content: JsonValue | undefined): boolean {
  if (!Array.isArray(content)) return false;
  const isText = (part: JsonValue) => isJsonObject(part) && part['type'] === 'text' && typeof part['text'] === 'string';
  return (content as readonly JsonValue[]).every((part) => isText(part) || isSeen(part));
}

/** @throws InputError for what is not a list of messages. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages)) throw new InputError(`messages must be an array, found ${describeValue(messages)}.`);
  if (messages.length === 0) throw new InputError(`messages is empty: at least one message is needed. ${ROLE_HINT}`);
  messages.forEach((message: Partial<ChatMessage> | null, index) => {
    const { role, content, tool_calls: calls, reasoning_content: reasoning } = message ?? {};
    const isNone = (content ?? null) === null && message?.tool_calls !== undefined;
    const hasText = typeof content === 'string' || isNone || isParts(content);
    if (typeof role !== 'string' || !hasText) {
      throw new InputError(
        `messages[${index}] has ${role === undefined ? 'no role' : `role ${String(JSON.stringify(role)).slice(0, 60)}`} and content of ` +
          `type ${typeof content}. ${ROLE_HINT}`,
      );
    }
    if ((calls ?? undefined) !== undefined && !Array.isArray(calls))
      throw new InputError(`messages[${index}].tool_calls must be an array, found ${describeValue(calls)}.`);
    if ((reasoning ?? undefined) !== undefined && typeof reasoning !== 'string')
      throw new InputError(`messages[${index}].reasoning_content must be a string, found ${describeValue(reasoning)}.`);
  });
}

/** What the chat template gets besides messages. */
export function renderOptions({ tools, toolOrder, reasoning, templateVariables }: TemplateOptions, text: ReasoningSide): RenderOptions {
  const variables = { ...templateVariables, ...reasoningVariables(reasoning, text) };
  return { tools: tools !== undefined && toolOrder === 'canonical' ? canonicalTools(tools) : tools, variables };
}

/** @throws InputError where the model has no chat template, or the messages are none; CapacityError for far too long a text. */
export function encodeConversation(
  messages: readonly ChatMessage[],
  options: TemplateOptions,
  text: TextSide,
  size: ContextSize,
): readonly number[] {
  if (text.encodeMessages === undefined) {
    const missing = text.tokenizer === undefined ? 'tokenizer' : 'chat template';
    throw new InputError(
      `This model has no ${missing}, so it cannot read messages: pass ${text.tokenizer === undefined ? 'ids' : 'a prompt'} instead.`,
    );
  }
  checkMessages(messages);
  checkPrefilled(messages);
  checkTemplateOptions(options, text);
  return text.encodeMessages(messages, {
    ...renderOptions(options, text),
    checkLength: (units) => checkTextLength(units, text, size, { remedies: CONVERSATION_REMEDIES }),
  });
}

const CONVERSATION_REMEDIES = ['Shorten it', SLIDE_REMEDY] as const;

/** Without messages no template runs and there are no turns, so that what is meant for those would be lost. */
function refuseConversationOptions(options: GenerateOptions): void {
  const source = options.prompt !== undefined ? 'prompt' : options.segments !== undefined ? 'segments' : 'ids';
  if (checkPolicy(options.contextPolicy) === 'slide')
    throw new InputError(
      `contextPolicy "slide" leaves out turns of messages, and ${source} has none: pass messages instead, or leave it out.`,
    );
  const names = ['tools', 'toolOrder', 'toolChoice', 'reasoning', 'templateVariables'] as const;
  const given = names.filter((name) => options[name] !== undefined);
  if (given.length === 0) return;
  throw new InputError(
    `${given.join(' and ')} would go to the chat template, which ${source} does not pass through: pass messages instead, ` +
      `or leave ${given.length > 1 ? 'them' : 'it'} out.`,
  );
}

/** @throws InputError for another policy than there is */
export function checkPolicy(policy: ContextPolicy | undefined): ContextPolicy {
  if (policy === undefined || policy === 'error' || policy === 'slide') return policy ?? 'error';
  throw new InputError(`contextPolicy must be "error" or "slide", found ${describeValue(policy satisfies never)}.`);
}

/** A prompt, and the pictures that its ids below 0 are of. */
export interface EncodedPrompt extends FittedPrompt {
  readonly pictures?: PromptPictures['pictures'] | undefined;
}

/** @throws InputError, CapacityError */
export function encodeFitting(
  messages: readonly ChatMessage[],
  options: ConversationOptions & { readonly maxTokens?: number | undefined },
  text: TextSide,
  size: ContextSize,
): EncodedPrompt {
  const policy = checkPolicy(options.contextPolicy);
  const encode = (some: readonly ChatMessage[]) => encodeConversation(some, options, text, size);
  const fitted = fitConversation(messages, { policy, encode, context: size, maxTokens: options.maxTokens });
  const { pictures } = text;
  return { ...fitted, ids: checkIds(fitted.ids, size, { remedies: CONVERSATION_REMEDIES, pictures }), pictures };
}

/** @throws InputError, CapacityError */
function joinSegments(segments: NonNullable<GenerateOptions['segments']>, size: ContextSize): PromptPictures {
  if (size.pictures === undefined) throw new InputError('segments is for a model that sees: this one has no tower; pass ids or a prompt.');
  if (!Array.isArray(segments)) throw new InputError(`segments must be an array, found ${describeValue(segments)}.`);
  for (const [i, segment] of segments.entries())
    if (Array.isArray(segment) && segment.length > 0) checkIds(segment, size, { where: `segments[${i}]` });
  if (!Array.isArray(segments.at(-1)) || (segments.at(-1) as readonly number[]).length === 0)
    throw new InputError('segments must end with token ids, which the answer follows.');
  const { ids, pictures } = promptPictures(size.pictures, segments);
  return { ids: checkIds(ids, size, { pictures }), pictures };
}

/** The ids that one call starts from. @throws InputError, CapacityError */
export function encodeRequest(
  options: GenerateOptions, text: TextSide, size: ContextSize,
): EncodedPrompt {
  const given = (['prompt', 'ids', 'segments', 'messages'] as const).filter((name) => options[name] !== undefined);
  if (given.length !== 1) {
    throw new InputError(
      `Pass exactly one of prompt, ids, segments and messages; found ${given.length === 0 ? 'none' : given.join(' and ')}.`,
    );
  }
  if (options.messages === undefined) refuseConversationOptions(options);
  if (options.segments !== undefined) return { ...joinSegments(options.segments, size), droppedMessages: 0, droppedTurns: 0 };
  const whole = (ids: ArrayLike<number>) => ({ ids: checkIds(ids, size), droppedMessages: 0, droppedTurns: 0 });
  if (options.ids !== undefined) return whole(options.ids);
  if (options.prompt !== undefined) return whole(encodePrompt(options.prompt, text, size));
  return encodeFitting(options.messages as readonly ChatMessage[], options, text, size);
}
