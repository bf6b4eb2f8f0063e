/** The body of a request as multipart/form-data with one file, its fields checked by a table as members of JSON are. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { Failure, invalid } from './failure.ts';
import { isRefused, readParameters, schemaOf } from './parameter-table.ts';
import type { ParameterTable } from './parameter-table.ts';
import { readBytes } from './request-body.ts';
import type { BodyLimits } from './request-body.ts';
import type { Schema } from './schema.ts';

export interface FormLimits extends BodyLimits {
  readonly fileBytes: number;
}

export interface FormBody {
  /** What is obeyed, the file left out. */
  readonly parameters: JsonObject;
  readonly file: File;
}

/** What a form says around its file is small. */
const MOST_OTHER_BYTES = 65_536;

async function parseForm(request: Request, { fileBytes, bodyMs }: FormLimits): Promise<FormData> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) throw invalid('The body must be multipart/form-data.', { code: 'invalid_form' });
  const bytes = await readBytes(request, { bodyBytes: fileBytes + MOST_OTHER_BYTES, bodyMs });
  try {
    return await new Response(bytes, { headers: { 'content-type': type } }).formData();
  } catch {
    throw invalid('The body is no valid multipart/form-data.', { code: 'invalid_form' });
  }
}

/** A field as clients write what is no text: `name`, `name[]` for each entry of a list, `name[member]`. */
type Field = string | string[] | Map<string, string>;

/** Fields by the names before their brackets. @throws Failure (400) for one that is given twice */
function fieldsOf(form: FormData): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const [written, entry] of form) {
    const value = typeof entry === 'string' ? entry : 'file';
    const [, name = written, inside] = /^([^[\]]+)\[([^[\]]*)\]$/.exec(written) ?? [];
    const before = fields.get(name);
    if (inside === '' && (before === undefined || Array.isArray(before))) fields.set(name, [...(before ?? []), value]);
    else if (inside && (before === undefined || (before instanceof Map && !before.has(inside))))
      fields.set(name, new Map(before).set(inside, value));
    else if (inside === undefined && before === undefined) fields.set(name, value);
    else throw invalid(`${written.slice(0, 60)} is given twice.`, { param: written.slice(0, 60), code: 'invalid_value' });
  }
  return fields;
}

/** The forms that a value may have. */
function formsOf(schema: Schema | undefined): readonly Schema[] {
  return schema === undefined ? [] : (schema.anyOf?.flatMap(formsOf) ?? [schema]);
}

/** A field by its schema: a text stays one where it is nothing else. */
function valueOf(field: Field, schema: Schema | undefined): JsonValue {
  const forms = formsOf(schema);
  if (field instanceof Map) {
    const { properties = {} } = forms.find(({ type }) => type === 'object') ?? {};
    const own = (name: string) => (Object.hasOwn(properties, name) ? properties[name] : undefined);
    return Object.fromEntries([...field].map(([name, value]) => [name, valueOf(value, own(name))]));
  }
  const list = forms.find(({ type }) => type === 'array');
  if (Array.isArray(field)) return field.map((value) => valueOf(value, list?.items));
  if (list !== undefined) return [valueOf(field, list.items)];
  const isOf = (types: readonly (string | undefined)[], isOne: (value: JsonValue) => boolean) =>
    forms.some(({ type, enum: values }) => types.includes(type ?? '') || values?.some(isOne) === true);
  if (isOf(['integer', 'number'], Number.isFinite) && /^-?\d{1,15}(\.\d{1,15})?$/.test(field)) return Number(field);
  if (/^(true|false)$/.test(field) && isOf(['boolean'], (value) => typeof value === 'boolean')) return field === 'true';
  return field;
}

/**
 * Reads the body of a form.
 * @param table of its fields, `file` among them
 * @throws Failure: 413, 408, or 400 for what is no form, the first field that is wrong or not obeyed, and a file that is none
 */
export async function readForm(request: Request, table: ParameterTable, limits: FormLimits): Promise<FormBody> {
  const form = await parseForm(request, limits);
  const { properties = {} } = schemaOf(table);
  const schema = (name: string) => (Object.hasOwn(properties, name) ? properties[name] : undefined);
  const given = [...fieldsOf(form)].map(([name, field]) => [name, valueOf(field, schema(name))] as const);
  // A text that is empty says nothing.
  const said = given.filter(([name, value]) => value !== '' || !Object.hasOwn(table, name) || !isRefused(table[name]!));
  const { file: _named, ...parameters } = readParameters(Object.fromEntries(said), table);
  const file = form.get('file');
  if (file === null || typeof file === 'string') throw invalid('file must be a file.', { param: 'file', code: 'invalid_value' });
  if (file.size > limits.fileBytes)
    throw new Failure(`The file is larger than ${limits.fileBytes} bytes, the most that this server takes.`, {
      status: 413, code: 'file_too_large', param: 'file',
    });
  return { parameters, file };
}
