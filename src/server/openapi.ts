/** `/openapi.json`: the routes and the tables that requests are checked by, as OpenAPI 3.1. */
import { isRefused, isSingle, schemaOf } from './parameter-table.ts';
import type { ParameterTable } from './parameter-table.ts';
import type { Schema } from './schema.ts';

/** A route as far as it is described. */
export interface DescribedRoute {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly parameters?: ParameterTable;
  readonly form?: ParameterTable;
  readonly query?: ParameterTable;
  /** By type, of a WebSocket's messages. */
  readonly events?: Readonly<Record<string, ParameterTable>>;
}

/** Beyond it, JSON's numbers lose digits, and are no integers here. */
const MOST_INTEGER = Number.MAX_SAFE_INTEGER;

/** Plain JSON Schema: null beside what may be null. */
function plainSchema({ nullable, items, properties, additionalProperties, anyOf, ...rest }: Schema): object {
  const schema = {
    ...(rest.type === 'integer' ? { minimum: -MOST_INTEGER, maximum: MOST_INTEGER } : {}),
    ...rest,
    ...(items === undefined ? {} : { items: plainSchema(items) }),
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, plainSchema(one)])) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: additionalProperties === false ? false : plainSchema(additionalProperties) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(plainSchema) }),
  };
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema;
}

/** Parameters of the path and behind it; those that are not obeyed are in no list of a document, as there is nothing to send. */
function urlParameters({ path, query = {} }: DescribedRoute): object[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const behind = Object.entries(query).flatMap(([name, one]) =>
    isSingle(one) ? [{ name, in: 'query', required: false, description: one.about, schema: plainSchema(one.schema) }] : []);
  return [...inPath, ...behind];
}

function bodyOf({ parameters, form }: DescribedRoute): object | undefined {
  if (parameters !== undefined) return { required: true, content: { 'application/json': { schema: plainSchema(schemaOf(parameters)) } } };
  if (form !== undefined) return { required: true, content: { 'multipart/form-data': { schema: plainSchema(schemaOf(form)) } } };
  return undefined;
}

function operationOf(route: DescribedRoute): object {
  const { summary, parameters, form } = route;
  const [inUrl, requestBody] = [urlParameters(route), bodyOf(route)];
  const refused = Object.entries(parameters ?? form ?? {}).flatMap(([name, one]) => (isRefused(one) ? [name] : []));
  return {
    summary,
    ...(refused.length === 0 ? {} : { description: `Not obeyed, and refused unless they ask for nothing: ${refused.join(', ')}.` }),
    ...(inUrl.length === 0 ? {} : { parameters: inUrl }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: { 200: { description: 'The answer.' }, default: { description: 'A refusal, which says why.' } },
  };
}

/** @param routes all that the server has */
export function openApi(routes: readonly DescribedRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return { openapi: '3.1.0', info: { title: 'Ingot', version: '1' }, paths };
}
