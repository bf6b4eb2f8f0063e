/** The JSON Schema of a config file, made of the settings. */
import { SETTING_NAMES, SETTINGS } from './settings.ts';
import type { Setting } from './settings.ts';

const TYPES = { text: 'string', integer: 'integer', switch: 'boolean', texts: 'array' } as const;

function schemaOf({ kind, about, min, max, choices, pattern, default: value }: Setting): object {
  return {
    type: TYPES[kind],
    ...(kind === 'texts' ? { items: { type: 'string', minLength: 1 } } : {}),
    ...(kind === 'text' ? { minLength: 1 } : {}),
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
    ...(choices === undefined ? {} : { enum: choices }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(value === undefined ? {} : { default: value }),
    description: about,
  };
}

export function configSchema(): object {
  const text = { type: 'string', minLength: 1 };
  const model = { type: 'object', properties: { name: text, path: text }, required: ['path'], additionalProperties: false };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'ingot serve',
    type: 'object',
    properties: {
      $schema: text,
      $from: { type: 'object', description: 'where each setting came from, as --print-config says; nothing is read of it' },
      models: { type: 'array', items: { anyOf: [text, model] }, description: 'paths of models, and names for them' },
      ...Object.fromEntries(SETTING_NAMES.map((name) => [name, schemaOf(SETTINGS[name])])),
    },
    additionalProperties: false,
  };
}
