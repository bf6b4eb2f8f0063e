/** What a caller prefers and avoids, token by token: names made ids, and numbers checked. */
import { InputError } from '../tensor/errors.ts';
import { describeNumber, describeValue } from '../tensor/option-names.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { LogitBias } from './api.ts';

const MOST = 100;

/** What the tokens of a model are known by. */
export interface TokenNames {
  readonly tokenizer: Tokenizer | undefined;
  /** Tokens that have logits. */
  readonly vocabSize: number;
}

function idOfName(name: number | string, { tokenizer, vocabSize }: TokenNames): number {
  if (typeof name === 'number') {
    if (Number.isInteger(name) && name >= 0 && name < vocabSize) return name;
    throw new InputError(`logitBias names the token ${name}: ids go from 0 to ${vocabSize - 1}.`);
  }
  if (typeof name !== 'string' || name === '')
    throw new InputError(`logitBias takes ids or texts of tokens, found ${name === '' ? 'an empty text' : describeValue(name)}.`);
  if (tokenizer === undefined)
    throw new InputError(`logitBias names a token by its text, ${describeValue(name)}, and this model has no tokenizer: use ids.`);
  const ids = tokenizer.encode(name, { parseSpecial: true });
  if (ids.length === 1) return ids[0] as number;
  throw new InputError(
    `logitBias: the text ${describeValue(name)} is ${ids.length} tokens (${ids.slice(0, 8).join(', ')}${ids.length > 8 ? ' ...' : ''}), ` +
      'and a bias is for one: name them by their ids, or keep a text out of the answer with bannedTexts.',
  );
}

/** Of an object's names, integers are ids, as OpenAI has it. */
function entriesOf(logitBias: LogitBias): readonly (readonly [number | string, number])[] {
  if (Array.isArray(logitBias)) {
    const bad = (logitBias as readonly unknown[]).findIndex((pair) => !Array.isArray(pair) || pair.length !== 2);
    if (bad < 0) return logitBias;
    throw new InputError(`logitBias[${bad}] must be a pair of a token's id or text and a number, found ${describeValue(logitBias[bad])}.`);
  }
  // The entries of a Map are no names of it: they would be ignored.
  if (typeof logitBias !== 'object' || logitBias === null || Symbol.iterator in logitBias)
    throw new InputError(`logitBias must be an object or a list of pairs, found ${describeValue(logitBias)}.`);
  const named = Object.entries(logitBias as Readonly<Record<string, number>>);
  return named.map(([name, bias]) => [/^\d+$/.test(name) ? Number(name) : name, bias]);
}

/**
 * By token id; undefined where there is none.
 * @throws InputError for a token that there is not, one named twice, a number outside -100 to 100, and -100 for all tokens
 */
export function resolveLogitBias(logitBias: LogitBias | undefined, names: TokenNames): ReadonlyMap<number, number> | undefined {
  if (logitBias === undefined) return undefined;
  const biases = new Map<number, number>();
  for (const [name, bias] of entriesOf(logitBias)) {
    if (typeof bias !== 'number' || !(bias >= -MOST && bias <= MOST))
      throw new InputError(
        `logitBias of ${describeNumber(name)} must be a number from -${MOST} to ${MOST}, found ${describeNumber(bias)}.`,
      );
    const id = idOfName(name, names);
    if (biases.has(id)) throw new InputError(`logitBias names the token ${id} twice.`);
    biases.set(id, bias);
  }
  // Biases are relative: the same one for all tokens changes nothing, and here none is wanted.
  if (biases.size === names.vocabSize && [...biases.values()].every((bias) => bias === -MOST))
    throw new InputError(`logitBias gives -${MOST} to every token, so that none would be left to choose: leave some out.`);
  return biases.size === 0 ? undefined : biases;
}
