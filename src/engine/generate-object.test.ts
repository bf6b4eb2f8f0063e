import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { fakeModels, saying } from '../../test/fake-model.ts';
import { structuredSchemas } from '../../test/structured-schemas.ts';
import { loadModel } from '../node/load-model.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { Model } from './api.ts';
import { collect } from './collect.ts';

const EMBER = new URL('../../models/ember-21m-q4_0.gguf', import.meta.url).pathname;

describe('the bundled model on the CPU', () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(EMBER, { device: 'cpu', threads: 2, contextLength: 1024 });
  });
  afterAll(() => model.dispose());
  const messages = [{ role: 'user', content: 'Tell me about Tom, who is 12 and likes tea.' }];

  it('gives a value of JSON Schema, and of zod with its type', async () => {
    const schema = { type: 'object', properties: { age: { type: 'integer', minimum: 0, maximum: 99 } }, required: ['age'] };
    const { value, answer } = await model.generateObject({ messages, schema, temperature: 0 });
    expectTypeOf(value).toEqualTypeOf<JsonValue>();
    expect(value).toEqual({ age: expect.any(Number) as number });
    expect(answer.finishReason).toBe('stop');
    const person = z.object({
      name: z.string().max(12), age: z.int().min(0).max(120), mail: z.email().max(20).nullable(), tags: z.array(z.enum(['a', 'b'])).max(2),
      size: z.number().min(0).max(2).transform((size) => `${size} m`),
    });
    const typed = await model.generateObject({ messages, schema: person, temperature: 0.7, seed: 1 });
    expectTypeOf(typed.value).toEqualTypeOf<z.infer<typeof person>>();
    expect(typed.value.size).toMatch(/ m$/u);
    expect(person.omit({ size: true }).parse(typed.value)).toMatchObject({ age: typed.value.age });
  });

  it('says what is wrong with a schema, and with a value that was cut or breaks rules of its own', async () => {
    const refused = model.generateObject({ messages, schema: { type: 'array', contains: {} } });
    await expect(refused).rejects.toThrow('The schema at #/contains');
    await expect(model.generateObject({ messages, schema: 5 as never })).rejects.toThrow(InputError);
    await expect(model.generateObject({ messages, schema: {}, format: { type: 'json' } } as never)).rejects.toThrow('no option "format"');
    const long = model.generateObject({ messages, schema: { type: 'string', minLength: 50 }, maxTokens: 5 });
    await expect(long).rejects.toThrow(CapacityError);
    const never = z.object({ a: z.int().min(1).max(9).refine((value) => value > 9, 'is too small') });
    await expect(model.generateObject({ messages, schema: never })).rejects.toThrow('a: is too small');
  });

  it('obeys 60 schemas: every answer that ends is valid by ajv, and all that are bounded end', async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: true });
    (addFormats as unknown as (ajv: unknown) => void)(ajv);
    const cut: string[] = [];
    await Promise.all(structuredSchemas().map(async ({ name, schema }, i) => {
      const validate = ajv.compile(schema);
      const answer = await collect(model.generate({
        messages: [{ role: 'user', content: `Give me an example of ${name}.` }], format: { type: 'schema', schema }, temperature: i % 2,
          seed: i,
        maxTokens: 600,
      }));
      if (answer.finishReason !== 'stop') return void cut.push(name);
      expect(validate(JSON.parse(answer.text)), `${name}: ${answer.text}`).toBe(true);
    }));
    // These two nest without an end.
    expect(cut.filter((name) => name !== 'tree' && name !== 'linked list')).toEqual([]);
  }, 120_000);
});

describe('an answer that begins inside a thought', () => {
  const { load } = fakeModels();

  it('has its format behind the thought, which is free', async () => {
    const said = '<think>so I think</think>\n\n{"a":true}';
    for (const way of [{}, { choosesSteps: 8 }, { choosesSteps: 8, followsGrammars: true }]) {
      const { model } = await load({ adjust: saying(said), ...way });
      const schema = { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'] };
      const { value, answer } = await model.generateObject({ prompt: 'assistant:<think>', schema, temperature: 0 });
      expect(value).toEqual({ a: true });
      expect(answer.reasoning).toContain('so I think');
    }
  });
});

it('a library whose validate gives no result is named', async () => {
  const { model } = await fakeModels().load({ adjust: saying('7') });
  const schema = { '~standard': { version: 1 as const, vendor: 'odd', validate: () => null as never } };
  const asked = model.generateObject({ prompt: 'a', schema, jsonSchema: { const: 7 }, temperature: 0 });
  await expect(asked).rejects.toThrow("generateObject: validate of odd's schema gave no result with a value or issues, but null");
});
