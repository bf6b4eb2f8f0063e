import { describe, expect, it } from 'vitest';
import { shuffled } from '../../test/shuffled.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { canonicalTools } from './canonical-tools.ts';

const city = { type: 'string', description: 'A town.', minLength: 1 };
const TOOLS: readonly JsonObject[] = [
  {
    type: 'function',
    function: {
      name: 'weather', description: 'Weather.',
      parameters: {
        type: 'object',
        properties: {
          city, required: { type: 'boolean' }, days: { enum: [3, 1, 2] }, at: { type: 'array', prefixItems: [city, { type: 'null' }] },
        },
        required: ['city', 'days'],
      },
    },
  },
  { type: 'function', function: { name: 'clock', description: 'Time.', parameters: { type: 'object', properties: {} } } },
  { name: 'bare', parameters: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
];

/** The same with its keys, and what `required` lists, in another order. */
function mixed(value: JsonValue, seed: number, key = ''): JsonValue {
  if (Array.isArray(value) && key === 'required') return shuffled(value as JsonValue[], seed);
  if (Array.isArray(value)) return value.map((item) => mixed(item as JsonValue, seed));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(shuffled(Object.entries(value), seed).map(([name, own]) => [name, mixed(own as JsonValue, seed, name)]));
}

describe('canonical tools', () => {
  it('are one text, in whatever order they and their keys were', () => {
    const text = JSON.stringify(canonicalTools(TOOLS));
    const others = Array.from({ length: 20 }, (_, seed) => shuffled(TOOLS, seed).map((tool) => mixed(tool, seed) as JsonObject));
    expect(new Set(others.map((tools) => JSON.stringify(tools))).size).toBeGreaterThan(10);
    for (const tools of others) expect(JSON.stringify(canonicalTools(tools))).toBe(text);
    expect(JSON.parse(text)).toEqual([TOOLS[2], TOOLS[1], TOOLS[0]]);
  });

  it('keep the order of what is a list, and read as models were shown them', () => {
    const [, , weather] = canonicalTools(TOOLS) as unknown as { function: { parameters: { properties: Record<string, JsonObject> } } }[];
    expect(Object.keys(weather!.function)).toEqual(['name', 'description', 'parameters']);
    expect(weather!.function.parameters.properties['days']).toEqual({ enum: [3, 1, 2] });
    expect(Object.keys(weather!.function.parameters.properties)).toEqual(['at', 'city', 'days', 'required']);
  });
});
