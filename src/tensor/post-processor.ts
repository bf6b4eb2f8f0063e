/** What a tokenizer.json puts around a text: its `post_processor`, read down to the ids before and after. */
import type { JsonObject, JsonValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { nestedFields } from './json-fields.ts';
import type { JsonFields } from './json-fields.ts';
import { isJsonObject } from './json.ts';

export interface TextSurroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Made by a template with tokens, behind which no other processor that adds tokens may come. */
  readonly isInParts?: boolean;
}

const nothing: TextSurroundings = { before: [], after: [] };
const maxIds = 4096;

/**
 * @param where the file, for messages
 * @throws FormatError for a kind that is not known, or a template in which the text does not stand exactly once
 */
export function readPostProcessor(value: JsonValue | undefined, where: string, depth = 0): TextSurroundings {
  const fields = nestedFields(value, where, depth);
  if (fields === undefined) return nothing;
  const type = fields.oneOf('type', ['BertProcessing', 'RobertaProcessing', 'ByteLevel', 'TemplateProcessing', 'Sequence']);
  switch (type) {
    case 'ByteLevel':
      fields.ignore('add_prefix_space', 'trim_offsets', 'use_regex');
      fields.end();
      return nothing;
    case 'BertProcessing':
    case 'RobertaProcessing':
      fields.ignore('trim_offsets', 'add_prefix_space');
      return around(fields);
    case 'TemplateProcessing':
      return template(fields);
    case 'Sequence':
      return sequence(fields, depth);
    default:
      return type satisfies never;
  }
}

function around(fields: JsonFields): TextSurroundings {
  const idAt = (key: string): number => {
    const pair = fields.value(key);
    const id = Array.isArray(pair) ? (pair as readonly JsonValue[])[1] : undefined;
    return isTokenId(id) ? id : fields.fail(key, 'a token and its id');
  };
  const surroundings = { before: [idAt('cls')], after: [idAt('sep')] };
  fields.end();
  return surroundings;
}

function isTokenId(id: JsonValue | undefined): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0;
}

function template(fields: JsonFields): TextSurroundings {
  const { where } = fields;
  const tokens = fields.value('special_tokens');
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  fields.list('single').forEach((item, index) => {
    const sequenceId = idOf(item, 'Sequence');
    const tokenId = idOf(item, 'SpecialToken');
    const ids = tokenId === undefined ? undefined : idsOf(tokens, tokenId);
    if (sequenceId === 'A') texts++;
    else (texts === 0 ? before : after).push(...(ids ?? badItem(item, `${where}.single[${index}]`)));
  });
  if (texts !== 1) throw new FormatError(`${where}.single: the text stands in it ${texts} times; expected once.`);
  fields.ignore('pair');
  fields.end();
  if (before.length + after.length > maxIds) {
    throw new FormatError(`${where}.single adds ${before.length + after.length} tokens; at most ${maxIds} are taken.`);
  }
  return { before, after, isInParts: before.length + after.length > 0 };
}

function badItem(item: JsonValue, where: string): never {
  throw new FormatError(`${where}: expected the sequence A or one of special_tokens, found ${JSON.stringify(item).slice(0, 120)}.`);
}

function idOf(item: JsonValue, kind: string): string | undefined {
  const inner = isJsonObject(item) ? item[kind] : undefined;
  const id = isJsonObject(inner) ? inner['id'] : undefined;
  return typeof id === 'string' ? id : undefined;
}

function idsOf(tokens: JsonValue | undefined, id: string): readonly number[] | undefined {
  const token = isJsonObject(tokens) && Object.hasOwn(tokens, id) ? tokens[id] : undefined;
  const ids = isJsonObject(token) ? token['ids'] : undefined;
  return Array.isArray(ids) && (ids as readonly JsonValue[]).every(isTokenId) ? (ids as readonly number[]) : undefined;
}

/** Each step goes around what the one before made. */
function sequence(fields: JsonFields, depth: number): TextSurroundings {
  const steps = fields.list('processors').map((step, index) => readPostProcessor(step, `${fields.where}.processors[${index}]`, depth + 1));
  fields.end();
  return steps.reduce((inner, outer, index) => {
    // A template leaves a text in parts, and tokenizers would take the second for the second text of a pair.
    if (inner.isInParts === true && outer !== nothing) {
      throw new FormatError(
        `${fields.where}.processors[${index}] follows a template that adds tokens; expected ByteLevel or nothing there.`,
      );
    }
    return outer === nothing ? inner : { ...outer, before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] };
  }, nothing);
}

export interface NamedEnds {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** tokenizer_config.json */
  readonly settings: JsonObject | undefined;
}

/**
 * What goes around a text: what the post-processor adds; where it adds nothing, BOS and EOS as `add_bos_token` and
 * `add_eos_token` of tokenizer_config.json say.
 */
export function addedAround(surroundings: TextSurroundings, { bos, eos, settings }: NamedEnds): TextSurroundings {
  if (surroundings.before.length > 0 || surroundings.after.length > 0) return surroundings;
  return {
    before: settings?.['add_bos_token'] === true && bos !== undefined ? [bos] : [],
    after: settings?.['add_eos_token'] === true && eos !== undefined ? [eos] : [],
  };
}
