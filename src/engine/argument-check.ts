/** Whether the arguments of a call are what its function takes, by the function's own schema. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { Automaton, DEAD, acceptsText } from '../text/grammars/automaton.ts';
import type { GrammarNode } from '../text/grammars/grammar-node.ts';
import { createJsonTexts } from '../text/grammars/json-texts.ts';
import { schemaGrammar } from '../text/grammars/schema-grammar.ts';
import { issueText, standardResult } from './standard-schema.ts';
import type { StandardSchema } from './standard-schema.ts';

/** Resolves to what the function gets. Rejects with an InputError that says what is wrong, for the model to read. */
export type CheckArguments = (args: JsonObject) => Promise<unknown>;

/** How many characters of a text can be the beginning of one that the grammar has. */
function validLength(automaton: Automaton, node: GrammarNode, text: string): number {
  let set = automaton.startOf(node);
  let length = 0;
  for (const character of text) {
    for (const byte of new TextEncoder().encode(character)) set = automaton.step(set, byte);
    if (set === DEAD) return length;
    length += character.length;
  }
  return length;
}

const MOST_SHOWN = 40;

/**
 * By the grammar that answers are constrained by (docs/structured-output.md), read as the standard has it: members in any order.
 * @throws InputError with the path of a part of the schema that cannot be told
 */
export function checkBySchema(schema: JsonObject): CheckArguments {
  const node = schemaGrammar(schema, { texts: createJsonTexts(), isStrict: false });
  const automaton = new Automaton();
  return async (args) => {
    const text = JSON.stringify(args);
    if (acceptsText(automaton, node, text)) return args;
    const valid = validLength(automaton, node, text);
    const [before, rest] = [text.slice(Math.max(0, valid - MOST_SHOWN), valid), text.slice(valid, valid + MOST_SHOWN)];
    throw new InputError(
      `The arguments are not valid by the function's schema ${JSON.stringify(schema).slice(0, 1000)}: ` +
        (rest === '' ? `something is missing at the end of ${before}` : `behind ${before} there cannot be ${rest}`),
    );
  };
}

export function checkByStandard(schema: StandardSchema): CheckArguments {
  return async (args) => {
    const result = await standardResult(schema, args, 'The function\'s schema');
    if (result.issues === undefined) return result.value;
    throw new InputError(`The arguments are not valid. ${result.issues.slice(0, 8).map(issueText).join('; ')}.`);
  };
}
