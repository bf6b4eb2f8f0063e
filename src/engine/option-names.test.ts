import { describe, expect, it } from 'vitest';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import { CHAT_NAMES, FORWARD_NAMES, GENERATE_NAMES, SEND_NAMES } from './option-names.ts';

describe('checkOptionNames', () => {
  it.each([
    ['temprature', 'Did you mean temperature?'],
    ['Temperature', 'Did you mean temperature?'],
    ['temp', 'Did you mean temperature'],
    ['max_tokens', 'Did you mean maxTokens?'],
    ['topk', 'Did you mean topK or topP?'],
    ['sotp', 'Did you mean stop'],
    ['message', 'Did you mean messages?'],
    ['eta', 'It takes temperature, topK'],
    ['x'.repeat(100_000), 'It takes'],
    ['__proto', 'It takes'],
    ['toString', 'It takes'],
  ])('refuses %.20s', (name, hint) => {
    const check = () => checkOptionNames({ [name]: 0 }, GENERATE_NAMES, 'generate');
    expect(check).toThrow(InputError);
    expect(check).toThrow(`generate has no option ${JSON.stringify(name.slice(0, 60))}`);
    expect(check).toThrow(hint);
  });

  it('passes what exists, and what is undefined', () => {
    checkOptionNames({ temperature: 0, prompt: 'a', tools: [] }, GENERATE_NAMES, 'generate');
    checkOptionNames({ temprature: undefined }, GENERATE_NAMES, 'generate');
    checkOptionNames({ system: 'a', reasoning: false }, CHAT_NAMES, 'createChat');
    checkOptionNames({ positions: [0] }, FORWARD_NAMES, 'forward');
    checkOptionNames({}, SEND_NAMES, 'send');
  });

  it('keeps what a call takes apart from what another takes', () => {
    expect(() => checkOptionNames({ signal: 1 }, CHAT_NAMES, 'createChat')).toThrow('createChat has no option "signal"');
    expect(() => checkOptionNames({ prompt: 'a' }, SEND_NAMES, 'send')).toThrow('send has no option "prompt"');
  });

  it.each([[null], ['text'], [3], [[]], [undefined]])('refuses %j instead of options', (value) => {
    expect(() => checkOptionNames(value as never, GENERATE_NAMES, 'generate')).toThrow(/generate takes an object of options, found/);
  });
});
