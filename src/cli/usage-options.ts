/** What a person says of their use, for advice. */
import type { Command } from 'commander';
import type { Usage } from '../bench/fit/advice.ts';
import { integerIn } from './option-values.ts';

export type UsageFlags = Usage;

export function addUsageOptions(command: Command): Command {
  return command
    .option('--hours <count>', 'hours of heavy inference a week', integerIn({ min: 0 }))
    .option('--people <count>', 'people or services that ask it', integerIn({ min: 1 }))
    .option('--pressure <count>', 'how often a week memory ran short, so that other work broke', integerIn({ min: 0 }))
    .option('--always-on', 'it has to answer at any hour')
    .option('--comparing', 'engines are compared over hours');
}
