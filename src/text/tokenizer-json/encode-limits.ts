/** `truncation` and `padding` of a tokenizer.json, which apply only where the caller asks. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { jsonFields } from '../../tensor/json-fields.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { EncodeLimits } from '../tokenizer.ts';

interface Truncation {
  readonly maxLength: number;
  readonly direction: 'Left' | 'Right';
  readonly needsPair: boolean;
}

interface Padding {
  readonly length: number;
  readonly multipleOf: number;
  readonly direction: 'Left' | 'Right';
  readonly id: number;
}

const directions = ['Left', 'Right'] as const;

/** @returns undefined where the file sets neither. @throws FormatError */
export function readEncodeLimits(json: JsonObject, file: string): EncodeLimits | undefined {
  const truncation = readTruncation(json['truncation'], `${file}: truncation`);
  const padding = readPadding(json['padding'], `${file}: padding`);
  if (truncation === undefined && padding === undefined) return undefined;
  const parts = [truncation && `truncation to ${truncation.maxLength} tokens`, padding && paddingText(padding)];
  return {
    description: parts.filter(Boolean).join(' and '),
    apply(body, { before, after }) {
      const cut = truncation === undefined ? body : truncate(body, truncation, before.length + after.length);
      const ids = [...before, ...cut, ...after];
      return padding === undefined ? ids : pad(ids, padding);
    },
  };
}

function readTruncation(value: JsonValue | undefined, where: string): Truncation | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = jsonFields(value, where);
  const strategy = fields.oneOf('strategy', ['LongestFirst', 'OnlyFirst', 'OnlySecond']);
  const direction = fields.oneOf('direction', directions, 'Right');
  const truncation = { maxLength: fields.count('max_length'), direction, needsPair: strategy === 'OnlySecond' };
  // The stride says what the pieces share that overflow; here they are dropped.
  fields.ignore('stride');
  fields.end();
  return truncation;
}

function readPadding(value: JsonValue | undefined, where: string): Padding | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = jsonFields(value, where);
  const strategy = fields.value('strategy');
  const fixed = isJsonObject(strategy) ? strategy['Fixed'] : strategy === 'BatchLongest' ? 0 : undefined;
  if (typeof fixed !== 'number' || !Number.isSafeInteger(fixed) || fixed < 0) {
    return fields.fail('strategy', '"BatchLongest" or {"Fixed": length}');
  }
  const padding = {
    length: fixed,
    multipleOf: fields.count('pad_to_multiple_of', 0),
    direction: fields.oneOf('direction', directions),
    id: fields.count('pad_id'),
  };
  if (Math.max(fixed, padding.multipleOf) > maxPaddedLength) fields.fail('strategy', `a length of at most ${maxPaddedLength}`);
  fields.ignore('pad_type_id', 'pad_token');
  fields.end();
  return padding;
}

const maxPaddedLength = 16 * 1024 * 1024;

function paddingText({ length, multipleOf }: Padding): string {
  const to = [length > 0 ? `to ${length} tokens` : '', multipleOf > 0 ? `to a multiple of ${multipleOf}` : ''].filter(Boolean).join(', ');
  return `padding ${to || 'to the longest of a batch'}`;
}

function truncate(body: readonly number[], { maxLength, direction, needsPair }: Truncation, around: number): readonly number[] {
  const kept = maxLength - around;
  if (kept < 0) throw new InputError(`tokenizer.json truncates to ${maxLength} tokens, but puts ${around} around every text.`);
  if (body.length <= kept) return body;
  if (needsPair) throw new InputError('tokenizer.json truncates the second text of a pair only, and there is one text.');
  return direction === 'Left' ? body.slice(body.length - kept) : body.slice(0, kept);
}

function pad(ids: number[], { length, multipleOf, direction, id }: Padding): number[] {
  let target = Math.max(length, ids.length);
  if (multipleOf > 0) target = Math.ceil(target / multipleOf) * multipleOf;
  const filling = new Array<number>(target - ids.length).fill(id);
  return direction === 'Left' ? [...filling, ...ids] : [...ids, ...filling];
}
