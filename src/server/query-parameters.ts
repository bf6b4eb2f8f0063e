/** Parameters behind the `?` of a URL: texts there, by the table of a route made what they stand for, and checked as a body is. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { invalid } from './failure.ts';
import { isSingle, readParameters } from './parameter-table.ts';
import type { ParameterTable } from './parameter-table.ts';

function valueOf(text: string, name: string, table: ParameterTable): JsonValue {
  const parameter = Object.hasOwn(table, name) ? table[name] : undefined;
  const type = parameter !== undefined && isSingle(parameter) ? parameter.schema.type : undefined;
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text;
}

/** @throws Failure (400) for a parameter that is unknown, wrong, given twice, or not obeyed */
export function readQuery(request: Request, table: ParameterTable): JsonObject {
  const given: Record<string, JsonValue> = {};
  for (const [written, text] of new URL(request.url).searchParams) {
    // Clients write lists as `include[]`.
    const name = written.replace(/\[\]$/, '');
    if (Object.hasOwn(given, name))
      throw invalid(`${name.slice(0, 60)} is given twice.`, { param: name.slice(0, 60), code: 'invalid_value' });
    Object.defineProperty(given, name, { value: valueOf(text, name, table), enumerable: true });
  }
  return readParameters(given, table);
}

/** Of lists by pages. */
export function pageParameters(most: number, usual: number): ParameterTable {
  return {
    after: { schema: { type: 'string', maxLength: 200 }, about: 'The id that the list goes on behind.' },
    limit: { schema: { type: 'integer', minimum: 1, maximum: most }, about: `How many. Default ${usual}.` },
  };
}

export const ORDER: ParameterTable = { order: { schema: { enum: ['asc', 'desc'] }, about: 'By time; default desc, the newest first.' } };

/** A list as OpenAI's clients read them. @param entries one more than `limit` where there are more */
export function listJson<Entry extends { readonly id: string }>(entries: readonly Entry[], limit: number) {
  const data = entries.slice(0, limit);
  return {
    object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: entries.length > limit,
  };
}
