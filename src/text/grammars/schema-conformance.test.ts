import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { createSchemaMaker } from '../../../test/made-schemas.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { Automaton, acceptsText } from './automaton.ts';
import { createJsonTexts } from './json-texts.ts';
import { schemaGrammar } from './schema-grammar.ts';

const texts = createJsonTexts();
const validatorOf = (schema: JsonObject) => {
  const ajv = new Ajv2020({ strict: false, validateFormats: true });
  (addFormats as unknown as (ajv: unknown) => void)(ajv);
  return ajv.compile(schema);
};

// 20 s of a processor; a busy machine gives it a fifth of one.
const LIMIT_MS = 240_000;

describe('2,000 made pairs of schema and value', () => {
  it('accepts what ajv finds valid, and nothing else', { timeout: LIMIT_MS }, () => {
    const wrong: string[] = [];
    const counts = { valid: 0, invalid: 0, unsatisfiable: 0, exceptions: 0 };
    for (let seed = 1; counts.valid + counts.invalid < 2000; seed++) {
      const maker = createSchemaMaker(seed);
      const schema = maker.schema();
      const validate = validatorOf(schema);
      const values = Array.from({ length: 6 }, () => maker.value(schema, schema));
      let accepts: (text: string) => boolean;
      try {
        const node = schemaGrammar(schema, { texts, isStrict: false });
        const automaton = new Automaton();
        accepts = (text) => acceptsText(automaton, node, text);
      } catch (error) {
        if (!(error instanceof InputError) || !error.message.includes('no value is valid')) throw error;
        counts.unsatisfiable++;
        accepts = () => false;
      }
      for (const value of values) {
        const isValid = validate(value) as boolean;
        counts[isValid ? 'valid' : 'invalid']++;
        const text = JSON.stringify(value);
        if (accepts(text) === isValid) continue;
        if (isValid && isException(text)) counts.exceptions++;
        else wrong.push(`seed ${seed}: ${isValid ? 'refused' : 'accepted'} ${text} by ${JSON.stringify(schema)}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(counts.valid).toBeGreaterThan(600);
    expect(counts.invalid).toBeGreaterThan(600);
    expect(counts.unsatisfiable).toBeLessThan(40);
    expect(counts.exceptions).toBeLessThan(6);
  });
});

/** The exceptions of docs/structured-output.md that these values can meet: whole numbers, and numbers within bounds, have no exponent. */
function isException(text: string): boolean {
  return /\d[eE][+-]?\d/u.test(text);
}

