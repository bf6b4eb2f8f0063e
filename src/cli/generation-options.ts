/** The options of a generation that `run` and `chat` share. */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ChatOptions, DecodingOptions } from '../engine/api.ts';
import { checkSetting } from '../engine/sampling-settings.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { OutputFormat } from '../text/grammars/output-format.ts';
import { DIALECTS } from '../text/answers/dialects.ts';
import { UsageError } from './exit-codes.ts';
import { checkedNumber, collectTexts, integerIn, oneOf } from './option-values.ts';

/** As commander gives them. */
export interface GenerationFlags {
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly logitBias?: readonly (readonly [number | string, number])[];
  readonly ban?: readonly string[];
  readonly templateVariables?: ChatOptions['templateVariables'];
  readonly dialect?: string;
  readonly jsonMode?: boolean;
  readonly schema?: JsonObject;
  readonly regex?: string;
  readonly grammar?: string;
  readonly choice?: readonly string[];
  /** False with `--no-think`. */
  readonly think: boolean;
  readonly reasoningBudget?: number;
}

const dialectNames = DIALECTS.map(({ name }) => name);

type SettingName = Parameters<typeof checkSetting>[0];

const setting = (name: SettingName) => checkedNumber((value) => checkSetting(name, value));

/** @param most what ends an answer where `--max-tokens` is not given, for the help */
export function addGenerationOptions(command: Command, most = 'what the context has left'): Command {
  return command
    .option('-s, --system <text>', 'system message')
    .option(
      '-n, --max-tokens <count>',
      `most tokens to generate (default: ${most})`,
      integerIn({ min: 1 }),
    )
    .option(
      '-t, --temperature <number>',
      "0 takes the likeliest token (default of this and the next ones: the model's own)",
      setting('temperature'),
    )
    .option('--top-k <count>', 'keep the k likeliest tokens; 0 is off', setting('topK'))
    .option('--top-p <share>', 'keep the likeliest tokens that together reach this probability; 1 is off', setting('topP'))
    .option('--min-p <share>', "drop tokens below this share of the likeliest one's probability; 0 is off", setting('minP'))
    .option('--repetition-penalty <factor>', 'above 1: less of what was said or asked; 1 is off', setting('repetitionPenalty'))
    .option('--presence-penalty <number>', 'above 0: less of what the answer has said; 0 is off', setting('presencePenalty'))
    .option('--frequency-penalty <number>', 'the same, once per occurrence; 0 is off', setting('frequencyPenalty'))
    .option('--seed <number>', 'the same seed gives the same answer (default: random)', setting('seed'))
    .option('--stop <text>', 'ends the answer where it says this; may be given several times', collectTexts)
    .option(
      '--logit-bias <token=number>',
      'added to a token, named by its id or its text: -100 keeps it out, 100 keeps others out; may be given several times', collectBiases,
    )
    .option('--ban <text>', 'the answer never says this; may be given several times', collectTexts)
    .option('--template-variables <json>', "an object of variables for the model's chat template", jsonObject)
    .option(
      '--dialect <name>',
      `what thoughts and calls are marked by: ${dialectNames.join(', ')} (default: what inspect says)`,
      oneOf(dialectNames),
    )
    .option('--json-mode', 'the answer is a JSON object or array')
    .option('--schema <file>', 'the answer is JSON by this schema (docs/structured-output.md)', jsonFile)
    .option('--regex <pattern>', 'the answer matches this expression as a whole')
    .option('--grammar <file>', 'the answer is a text of the rule root of this grammar (EBNF as GBNF writes it)', textFile)
    .option('--choice <text>', 'the answer is this text; given several times, one of them', collectTexts)
    .option('--no-think', 'asks the model to answer without thinking first')
    .option('--reasoning-budget <tokens>', 'ends a thought after so many tokens, so that the answer goes on', integerIn({ min: 0 }));
}

/** Whether the model thinks, and how long. */
export function reasoningOption({ think, reasoningBudget }: Pick<GenerationFlags, 'think' | 'reasoningBudget'>): ChatOptions['reasoning'] {
  if (!think) return false;
  return reasoningBudget === undefined ? undefined : { budgetTokens: reasoningBudget };
}

/** `7=-100` or ` the=2`: the last "=" divides them, and digits alone are an id. */
function collectBiases(text: string, before: GenerationFlags['logitBias'] = []): NonNullable<GenerationFlags['logitBias']> {
  const [, name = '', digits = ''] = /^(.+)=([^=]+)$/su.exec(text) ?? [];
  const bias = Number(digits);
  if (name === '' || digits.trim() === '' || !(bias >= -100 && bias <= 100))
    throw new InvalidArgumentError('Expected a token, "=" and a number from -100 to 100.');
  return [...before, [/^\d+$/u.test(name) ? Number(name) : name, bias]];
}

function jsonObject(text: string): GenerationFlags['templateVariables'] {
  const value = parsedJson(text, 'The text');
  if (!isJsonObject(value)) throw new InvalidArgumentError('Expected an object of JSON.');
  return value as GenerationFlags['templateVariables'];
}

function textFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`The file cannot be read: ${(error as Error).message}.`);
  }
}

function parsedJson(text: string, what: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new InvalidArgumentError(`${what} is no JSON: ${(error as Error).message}.`);
  }
}

/** What is in it is checked by who takes it. */
export function jsonFile(path: string): JsonObject {
  return parsedJson(textFile(path), 'The file') as JsonObject;
}

/** What the answer has to be. @throws UsageError for more than one form */
function formatOf({ jsonMode, schema, regex, grammar, choice }: GenerationFlags): OutputFormat | undefined {
  const formats: (readonly [string, OutputFormat])[] = [
    ...(jsonMode === true ? [['--json-mode', { type: 'json' }] as const] : []),
    ...(schema === undefined ? [] : [['--schema', { type: 'schema', schema }] as const]),
    ...(regex === undefined ? [] : [['--regex', { type: 'regex', pattern: regex }] as const]),
    ...(grammar === undefined ? [] : [['--grammar', { type: 'grammar', grammar }] as const]),
    ...(choice === undefined ? [] : [['--choice', { type: 'choice', choices: choice }] as const]),
  ];
  const [first, second] = formats;
  if (first !== undefined && second !== undefined)
    throw new UsageError(`${first[0]} and ${second[0]} are two forms of one answer. Give one of them.`);
  return first?.[1];
}

export function decodingOptions(flags: GenerationFlags): DecodingOptions {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, stop } = flags;
  return { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, stop,
    logitBias: flags.logitBias, bannedTexts: flags.ban, format: formatOf(flags) };
}
