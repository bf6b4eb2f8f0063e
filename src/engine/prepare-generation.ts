import { InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames, checkSwitch } from '../tensor/option-names.ts';
import { answerRoom, lastingMessages } from './answer-room.ts';
import type { ChatMessage, GenerateOptions, PromptCount } from './api.ts';
import type { PromptSource } from './cache-break.ts';
import { decodingHost, resolveDecoding } from './decoding-settings.ts';
import type { GenerationJob, PreparedJob } from './generate.ts';
import { hasImages, measureMessages, seeMessages } from './images/see-messages.ts';
import type { Seeing } from './images/see-messages.ts';
import { openingTokens } from './lasting-tokens.ts';
import type { ModelCore } from './model-core.ts';
import { GENERATE_NAMES } from './option-names.ts';
import { answerFormat, encodeRequest } from './prompt.ts';
import { limitThought } from './thought-budget.ts';
import { obeyToolChoice } from './tool-choice.ts';
import type { TextSide } from './prompt.ts';

/** Tokens that follow a prompt or ids where the caller asked for no number: a text that goes on has no end of its own. */
const CONTINUATION_TOKENS = 256;
const MOST_CHOICES = 64;

function checkChoices({ n, cachePrompt }: GenerateOptions): void {
  checkInteger('n', n, { min: 1, max: MOST_CHOICES });
  if (n !== undefined && n > 1 && cachePrompt === false)
    throw new InputError(`n ${n} shares the prompt among its answers, and cachePrompt false shares nothing: leave one of them out.`);
}

function promptSource(messages: readonly ChatMessage[], options: GenerateOptions, count: number): PromptSource {
  const from = lastingMessages(messages);
  return { messages: [...messages.slice(0, from), ...messages.slice(from + count)], options, dropped: { from, count } };
}

/** A format has an end of its own, as an answer to messages has. */
function defaultTokens({ messages, format }: GenerateOptions): number | undefined {
  return messages === undefined && format === undefined ? CONTINUATION_TOKENS : undefined;
}

/** What a call of `generate` asks for, checked. @throws InputError and CapacityError as the options' docs say */
export function prepareGeneration(core: ModelCore, text: TextSide, asked: GenerateOptions): GenerationJob {
  core.checkOpen();
  checkOptionNames(asked, GENERATE_NAMES, 'generate');
  const options = obeyToolChoice(asked, text);
  checkSwitch('cachePrompt', options.cachePrompt);
  checkSwitch('echo', options.echo);
  checkChoices(options);
  const settings = resolveDecoding(options, decodingHost(core, text), defaultTokens(options));
  options.signal?.throwIfAborted();
  if (settings.stops.length > 0 && text.tokenizer === undefined)
    throw new InputError('This model has no tokenizer, so it cannot find stop texts.');
  const { ids, pictures, droppedMessages, droppedTurns } = encodeRequest(options, text, core);
  // As they were checked just now.
  const messages = options.messages as readonly ChatMessage[] | undefined;
  const format = answerFormat(options, text, messages);
  const { promptIds, thoughtTokens } = limitThought(ids, options, format, text);
  answerRoom(promptIds.length, { ...settings, context: core, canSlide: messages !== undefined });
  const { signal, onProgress } = options;
  const isShared = core.state.sharesSnapshots && messages !== undefined && options.cachePrompt !== false;
  const sharedLengths = isShared ? [openingTokens(promptIds, messages, options, text)] : [];
  const source = messages && promptSource(messages, options, droppedMessages);
  const isPrivate = options.cachePrompt === false;
  return {
    core, text, promptIds, pictures, source, sharedLengths, droppedTurns, isPrivate, settings, signal, onProgress,
    answerFormat: format, thoughtTokens,
  };
}

/** Who prepares: a loaded model. */
export interface PreparingHost {
  readonly core: ModelCore;
  readonly text: TextSide;
  /** Of a model that sees. */
  readonly seeing: Seeing | undefined;
}

/** As {@link prepareGeneration}, of a conversation that may have images: those are decoded first. @throws as `seeMessages` too */
export function prepareSeen({ core, text, seeing }: PreparingHost, asked: GenerateOptions): PreparedJob {
  core.checkOpen();
  const seen = seeMessages(seeing, text, asked?.messages, asked?.signal);
  return seen instanceof Promise ? seen.then((own) => prepareGeneration(core, own, asked)) : prepareGeneration(core, seen, asked);
}

/** The ids of a prompt without images. @throws InputError for one that has some */
export function preparedIds({ core, text }: PreparingHost, asked: GenerateOptions): readonly number[] {
  if (hasImages(asked?.messages) || asked?.segments !== undefined)
    throw new InputError('promptIds gives ids of tokens, and images have none: use countTokens.');
  return prepareGeneration(core, text, asked).promptIds;
}

/** How long a prompt is, its images measured by their headers. @throws as {@link prepareSeen} */
export function countPrompt({ core, text, seeing }: PreparingHost, asked: GenerateOptions): PromptCount {
  core.checkOpen();
  const { text: own, images } = measureMessages(seeing, text, asked?.messages);
  const { promptIds } = prepareGeneration(core, own, asked);
  return { tokens: promptIds.length, images: images.map(({ width, height, tokens }) => ({ width, height, tokens })) };
}
