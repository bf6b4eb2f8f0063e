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

describe('--logit-bias', () => {
  it('takes ids and texts of tokens, several times', () => {
    expect(parse('--logit-bias', '7=-100', '--logit-bias', ' a=b=2.5').opts()['logitBias']).toEqual([[7, -100], [' a=b', 2.5]]);
  });

  it.each(['7', '=3', 'a=', 'a=b', 'a=101', 'a= '])('refuses %s', (text) => {
    expect(() => parse('--logit-bias', text)).toThrow('Expected a token, "=" and a number from -100 to 100');
  });
});

describe('--template-variables', () => {
  it('takes an object of JSON alone', () => {
    expect(parse('--template-variables', '{"a":[1]}').opts()['templateVariables']).toEqual({ a: [1] });
    for (const text of ['[1]', '{', '3']) expect(() => parse('--template-variables', text)).toThrow(/JSON/u);
  });
});
