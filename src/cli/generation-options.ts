/** The options of a generation that `run` and `chat` share. */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { ChatOptions, DecodingOptions } from '../engine/api.ts';
import { checkSetting } from '../engine/sampling-settings.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
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

function textFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`The file cannot be read: ${(error as Error).message}.`);
  }
}

function jsonFile(path: string): JsonObject {
  try {
    return JSON.parse(textFile(path)) as JsonObject;
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new InvalidArgumentError(`The file is no JSON: ${(error as Error).message}.`);
  }
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
    format: formatOf(flags) };
}
