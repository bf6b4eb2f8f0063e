/** The options of a generation that `run` and `chat` share. */
import type { Command } from 'commander';
import type { DecodingOptions } from '../engine/api.ts';
import { checkSetting } from '../engine/sampling-settings.ts';
import { DIALECTS } from '../text/answers/dialects.ts';
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
  /** False with `--no-think`. */
  readonly think: boolean;
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
    .option('--no-think', 'asks the model to answer without thinking first');
}

export function decodingOptions(flags: GenerationFlags): DecodingOptions {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, stop } = flags;
  return { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, stop };
}
