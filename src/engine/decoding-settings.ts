/** Options of a generation, checked once and complete. */
import type { SamplingSettings } from '../graph/sampling.ts';
import { InputError } from '../tensor/errors.ts';
import { checkInteger, checkSwitch, describeValue } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import { checkBannedTexts } from '../text/banned-texts.ts';
import type { CompiledGrammar, GrammarCompiler } from '../text/grammars/output-format.ts';
import { checkCallTerms } from './admission.ts';
import type { CallTerms } from './admission.ts';
import type { DecodingOptions, SamplingOptions } from './api.ts';
import { resolveLogitBias } from './logit-bias.ts';
import type { TokenNames } from './logit-bias.ts';
import type { TextSide } from './prompt.ts';
import { resolveSampling } from './sampling-settings.ts';

export interface DecodingSettings {
  readonly sampling: SamplingSettings;
  /** Texts that the answer must not hold. */
  readonly bannedTexts: readonly string[];
  /** What the answer has to be; undefined: any text. */
  readonly grammar: CompiledGrammar | undefined;
  /** As the caller asked. */
  readonly maxTokens: number | undefined;
  /** What ends an answer where nothing was asked for; undefined: what the context has left. */
  readonly defaultMaxTokens: number | undefined;
  readonly stops: readonly string[];
  readonly ignoreEos: boolean;
  /** How many likeliest tokens come with each chosen one; undefined: no log probabilities. */
  readonly topLogprobs: number | undefined;
  readonly terms: CallTerms;
}

const MOST_TOP_LOGPROBS = 20;

function resolveStops(stop: DecodingOptions['stop']): readonly string[] {
  const stops = stop === undefined ? [] : typeof stop === 'string' ? [stop] : stop;
  if (!Array.isArray(stops) || stops.some((text) => typeof text !== 'string' || text === '')) {
    throw new InputError(`stop must be a text or a list of texts, none of them empty, found ${describeValue(stop)}.`);
  }
  return stops;
}

function resolveTopLogprobs(logprobs: DecodingOptions['logprobs']): number | undefined {
  if (logprobs === undefined || logprobs === false) return undefined;
  if (logprobs === true) return 0;
  if (Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= MOST_TOP_LOGPROBS) return logprobs;
  throw new InputError(`logprobs must be true, false or an integer from 0 to ${MOST_TOP_LOGPROBS}, found ${describeValue(logprobs)}.`);
}

function resolveMaxTokens(maxTokens: number | undefined): number | undefined {
  checkInteger('maxTokens', maxTokens, { min: 1 });
  return maxTokens;
}

/** What options are checked against. */
export interface DecodingHost extends TokenNames {
  readonly samplingDefaults: SamplingOptions;
  /** Undefined: the model has no tokenizer. */
  readonly grammars?: GrammarCompiler | undefined;
}

export function decodingHost({ vocabSize }: { readonly vocabSize: number }, text: TextSide): DecodingHost {
  const { tokenizer, samplingDefaults } = text;
  return { vocabSize, tokenizer, samplingDefaults, grammars: text.grammars?.(vocabSize) };
}

function resolveFormat({ format, ignoreEos }: DecodingOptions, host: DecodingHost): CompiledGrammar | undefined {
  const { grammars, tokenizer } = host;
  if (format === undefined) return undefined;
  if (grammars === undefined || tokenizer === undefined)
    throw new InputError('This model has no tokenizer, so that format cannot be obeyed.');
  if (ignoreEos === true) throw new InputError('format ends with an end token, and ignoreEos goes on past it: leave one of them out.');
  if (tokenizer.joining === 'rules')
    throw new InputError(`format cannot be obeyed: this model's tokenizer (${tokenizer.kind}) does more than join the bytes of tokens.`);
  return grammars.compile(format);
}

/** @throws InputError naming the option, what is legal and what was found. */
export function resolveDecoding(options: DecodingOptions, host: DecodingHost, defaultMaxTokens?: number): DecodingSettings {
  const { bannedTexts = [] } = options;
  checkOperation(options);
  checkBannedTexts(bannedTexts, host.tokenizer);
  checkSwitch('ignoreEos', options.ignoreEos);
  checkCallTerms(options);
  return {
    sampling: { ...resolveSampling(options, host.samplingDefaults), logitBias: resolveLogitBias(options.logitBias, host) },
    bannedTexts,
    grammar: resolveFormat(options, host),
    maxTokens: resolveMaxTokens(options.maxTokens),
    defaultMaxTokens,
    stops: resolveStops(options.stop),
    ignoreEos: options.ignoreEos === true,
    topLogprobs: resolveTopLogprobs(options.logprobs),
    terms: { priority: options.priority, deadlineMs: options.deadlineMs },
  };
}
