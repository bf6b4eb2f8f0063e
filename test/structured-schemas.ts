import { readFileSync } from 'node:fs';
import type { JsonObject } from '../src/tensor/checkpoint.ts';

/** 60 schemas over all keywords, most of them of answers that must end. */
export function structuredSchemas(): readonly { readonly name: string; readonly schema: JsonObject }[] {
  const file = new URL('fixtures/structured-output/schemas.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as { name: string; schema: JsonObject }[];
}
