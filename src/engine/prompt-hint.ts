import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { GenerateOptions } from './api.ts';
import type { TextSide } from './prompt.ts';

const HINT =
  'generate({ prompt }) continues a text, without the chat template that this model has: to ask it something, pass ' +
  '"messages: [{ role: \'user\', content }]". Where the text is meant as it is, pass "onHint: () => {}" to loadModel to hear this no more.';

/**
 * Tells a caller once, after the options were found good, that a model of chats was given a bare prompt. An echo is asked for to see how
 * likely a text is, and says nothing.
 * @throws InputError for what is no function
 */
export function promptHint(text: TextSide, onHint: ((hint: string) => void) | undefined): (options: GenerateOptions) => void {
  if (onHint !== undefined && typeof onHint !== 'function')
    throw new InputError(`onHint must be a function, found ${describeValue(onHint)}.`);
  let isTold = onHint === undefined || text.encodeMessages === undefined;
  return ({ prompt, echo }) => {
    if (isTold || prompt === undefined || echo === true) return;
    isTold = true;
    onHint?.(HINT);
  };
}
