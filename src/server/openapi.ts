/** `/openapi.json`: the routes and the tables that requests are checked by, as OpenAPI 3.1. */
import { isRefused, schemaOf } from './parameter-table.ts';
import type { ParameterTable } from './parameter-table.ts';
import type { Schema } from './schema.ts';

/** A route as far as it is described. */
export interface DescribedRoute {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly parameters?: ParameterTable;
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

function operationOf({ path, summary, parameters }: DescribedRoute): object {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
  const refused = Object.entries(parameters ?? {}).flatMap(([name, one]) => (isRefused(one) ? [name] : []));
  return {
    summary,
    ...(refused.length === 0 ? {} : { description: `Not obeyed, and refused unless they ask for nothing: ${refused.join(', ')}.` }),
    ...(names.length === 0
      ? {}
      : { parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })) }),
    ...(parameters === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: plainSchema(schemaOf(parameters)) } } } }),
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
