import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addGenerationOptions } from './generation-options.ts';

function parse(...args: string[]): Command {
  const command = addGenerationOptions(new Command()).exitOverride().configureOutput({ writeErr: () => {} });
  return command.parse(['node', 'ingot', ...args]);
}

describe('--dialect', () => {
  it('takes a name that there is', () => {
    expect(parse('--dialect', 'harmony').opts()).toMatchObject({ dialect: 'harmony' });
    expect(parse().opts()['dialect']).toBeUndefined();
  });

  it('refuses another, with the list', () => {
    expect(() => parse('--dialect', 'klingon')).toThrow(/Expected one of harmony, gemma4, .*, plain\./);
  });
});
