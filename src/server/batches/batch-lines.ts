/** A file of requests as the items of a batch: `{"custom_id", "method": "POST", "url", "body"}` a line. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { Failure } from '../failure.ts';
import { parseJson } from '../request-body.ts';
import { checkValue } from '../schema.ts';
import type { Schema } from '../schema.ts';
import type { BatchError, BatchItem } from '../store.ts';

const LINE: Schema = {
  type: 'object',
  properties: {
    custom_id: { type: 'string', minLength: 1, maxLength: 512 }, method: { enum: ['POST'] },
    url: { type: 'string' }, body: { type: 'object' },
  },
  required: ['custom_id', 'method', 'url', 'body'],
  additionalProperties: false,
};

export interface BatchLines {
  readonly items: readonly BatchItem[];
  /** Where there are some, the batch has failed. */
  readonly errors: readonly BatchError[];
}

export interface BatchLineRules {
  readonly endpoint: string;
  readonly mostRequests: number;
  readonly bodyBytes: number;
}

/** As many are told. */
const MOST_ERRORS = 100;

interface ReadLine {
  readonly text: string;
  readonly line: number;
  readonly ids: Set<string>;
}

/** @throws Failure for a line that is no request of the batch's endpoint */
function itemOf({ text, line, ids }: ReadLine, { endpoint, bodyBytes }: BatchLineRules): BatchItem {
  const refuse = (message: string, param: string, code: string) => new Failure(message, { status: 400, param, code });
  if (text.length > bodyBytes) throw refuse(`The line has more than ${bodyBytes} characters.`, 'body', 'too_long');
  const value: JsonValue = parseJson(text, 'The line');
  checkValue(value, LINE, '');
  const { custom_id: customId, url, body } = value as { readonly custom_id: string; readonly url: string; readonly body: JsonObject };
  if (url !== endpoint) throw refuse(`url must be the batch's endpoint, ${endpoint}.`, 'url', 'mismatched_url');
  if (ids.has(customId))
    throw refuse(`custom_id ${JSON.stringify(customId.slice(0, 60))} stands in an earlier line.`, 'custom_id', 'duplicate_id');
  ids.add(customId);
  return { line, customId, body };
}

export function readBatchLines(content: Uint8Array, rules: BatchLineRules): BatchLines {
  const whole = (code: string, message: string): BatchLines => {
    return { items: [], errors: [{ code, message, line: undefined, param: undefined }] };
  };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return whole('invalid_utf8', 'The file is not valid UTF-8.');
  }
  const lines = text.split('\n').map((one, index) => ({ text: one.trim(), line: index + 1 })).filter((one) => one.text !== '');
  if (lines.length === 0) return whole('empty_file', 'The file has no request.');
  if (lines.length > rules.mostRequests)
    return whole('too_many_requests', `The file has ${lines.length} requests; this server takes ${rules.mostRequests} a batch.`);
  const [items, errors, ids]: [BatchItem[], BatchError[], Set<string>] = [[], [], new Set()];
  for (const one of lines) {
    try {
      items.push(itemOf({ ...one, ids }, rules));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      errors.push({ code: error.code ?? 'invalid_request', message: error.message, line: one.line, param: error.param });
      if (errors.length >= MOST_ERRORS) break;
    }
  }
  return { items, errors };
}
